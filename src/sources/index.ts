export { fileSource, type FileSourceOptions } from './file.ts'
export { kubernetesSource, type KubernetesSourceOptions, type LeaseOptions } from './kubernetes.ts'
export { memorySource, type MemorySource, type MemorySourceOptions } from './memory.ts'
