// Lets a worker of AVA import TypeScript. Types are stripped, no more: what tsx does beside costs each test file a third of a second.
import { register } from 'node:module'

register('./typescript-hooks.js', import.meta.url)
