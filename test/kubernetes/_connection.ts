import { E } from '../../src/fp.ts'
import type {
  Collection,
  ElectionOptions,
  Follower,
  KubernetesApi,
  KubernetesCall,
  KubernetesFailure,
  KubernetesObject,
} from '../../src/kubernetes.ts'

export type Answer = E.Either<KubernetesFailure, unknown>

/** One connection that was made. */
export interface Made {
  readonly collection: Collection
  readonly follower: Follower
  readonly elections: ReadonlyArray<ElectionOptions>
  /** What was closed, in order. */
  readonly closed: ReadonlyArray<string>
}

/** An apiserver that says what it is told to. */
export const scriptedApi = () => {
  const made: Made[] = []
  const calls: KubernetesCall[] = []
  const waiting: Array<() => void> = []
  let answer: (call: KubernetesCall) => Answer | Promise<Answer> = () => E.left({ _tag: 'Unreachable', message: 'x' })
  let isLeader = false
  let heardMs: number | undefined
  const api: KubernetesApi = {
    connect: () => {
      const closed: string[] = []
      const elections: ElectionOptions[] = []
      return {
        origin: 'https://10.0.0.1:6443',
        namespace: 'plugins',
        call: (call) => async () => {
          calls.push(call)
          for (const wake of waiting.splice(0)) wake()
          return answer(call)
        },
        follow: (collection, follower) => {
          made.push({ collection, follower, elections, closed })
          return {
            lastHeardMs: () => heardMs,
            close: () => {
              closed.push('following')
              return Promise.resolve()
            },
          }
        },
        elect: (options) => {
          elections.push(options)
          for (const wake of waiting.splice(0)) wake()
          return {
            isLeader: () => isLeader,
            close: () => {
              closed.push('election')
              return Promise.resolve()
            },
          }
        },
        close: () => {
          closed.push('connection')
          return Promise.resolve()
        },
      }
    },
  }
  const last = (): Made => {
    const one = made.at(-1)
    if (one === undefined) throw new Error('expected a connection')
    return one
  }
  return {
    api,
    made,
    calls,
    last,
    tell: (...objects: ReadonlyArray<KubernetesObject>) => {
      last().follower.changed(objects.map((object) => ({ key: object.metadata.name, object })))
    },
    gone: (...keys: ReadonlyArray<string>) => {
      last().follower.changed(keys.map((key) => ({ key, object: undefined })))
    },
    answer: (next: typeof answer) => {
      answer = next
    },
    /** What the clock says: this replica may be told of it later. */
    setLeader: (leads: boolean) => {
      isLeader = leads
    },
    lead: (leads: boolean) => {
      isLeader = leads
      last().elections.at(-1)?.onChange(leads)
    },
    hear: (ms: number) => {
      heardMs = ms
    },
    /** Resolves when somebody asks, or stands for election. */
    next: () => new Promise<void>((resolve) => waiting.push(resolve)),
  }
}
