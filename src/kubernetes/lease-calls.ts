import { parseLease, type Lease, type LeaseSpec } from '../api/lease.ts'
import { E } from '../fp.ts'
import type { KubernetesCall, KubernetesConnection, KubernetesFailure } from '../kubernetes.ts'

/** Half of the time in which a leader has to renew: a lost answer is not the end. Source: leaderelection's users in client-go. */
const callTimeoutMs = 5000

type Answer = Promise<E.Either<KubernetesFailure, Lease>>

/** One Lease on an apiserver. */
export interface LeaseCalls {
  readonly get: (signal: AbortSignal) => Answer
  /** Without `before`: it is new. Fails with a 409 when somebody was faster. */
  readonly put: (spec: LeaseSpec, before: Lease | undefined, signal: AbortSignal) => Answer
}

const garbled: KubernetesFailure = { _tag: 'Garbled', message: 'expected a Lease of coordination.k8s.io/v1' }

export const createLeaseCalls = (
  call: KubernetesConnection['call'],
  { namespace, name }: { readonly namespace: string; readonly name: string },
): LeaseCalls => {
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`
  const path = `${collection}/${encodeURIComponent(name)}`

  const ask = async (asked: KubernetesCall): Answer =>
    E.flatMap((value: unknown) => E.mapLeft(() => garbled)(parseLease(value)))(
      await call({ ...asked, timeoutMs: callTimeoutMs })(),
    )

  return {
    get: (signal) => ask({ method: 'GET', path, signal }),
    put: (spec, before, signal) => {
      // what others wrote into its metadata stays; the spec is the holder's alone
      const metadata = { ...before?.metadata, name, namespace }
      const body = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec }
      return before === undefined
        ? ask({ method: 'POST', path: collection, body, signal })
        : ask({ method: 'PUT', path, body, signal })
    },
  }
}
