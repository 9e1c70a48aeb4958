// AVA's worker threads on Node 20 load TypeScript only when tsx registers itself inside the worker.
import { register } from 'tsx/esm/api'

register()
