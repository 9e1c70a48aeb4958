export { fileSource, type FileSourceOptions } from './file.ts'
export { memorySource, type MemorySource, type MemorySourceOptions } from './memory.ts'
