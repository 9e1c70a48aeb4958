import { existsSync, readdirSync, readFileSync } from 'node:fs'

export const root = new URL('../../fixtures/frames/', import.meta.url)

export interface Pair {
  readonly name: string
  readonly arrow: Buffer
  /** `undefined`: Go refuses the file. */
  readonly json: Buffer | undefined
}

/** All files of the folders, each with what Grafana makes of it. */
export const pairs: ReadonlyArray<Pair> = ['corpus', 'golden', 'odd', 'fuzz'].flatMap((folder) =>
  readdirSync(new URL(folder, root))
    .filter((file) => file.endsWith('.arrow'))
    .map((file) => {
      const json = new URL(`${folder}/${file.replace(/arrow$/, 'json')}`, root)
      return {
        name: `${folder}/${file}`,
        arrow: readFileSync(new URL(`${folder}/${file}`, root)),
        json: existsSync(json) ? readFileSync(json) : undefined,
      }
    }),
)

export const lines = (file: string): ReadonlyArray<string> =>
  readFileSync(new URL(file, root), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
