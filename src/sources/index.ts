export { fileSource, type FileSourceOptions } from './file.ts'
export { kubernetesSource, type KubernetesSourceOptions } from './kubernetes.ts'
export { memorySource, type MemorySource, type MemorySourceOptions } from './memory.ts'
