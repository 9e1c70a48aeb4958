/** A command that prints credentials, as a kubeconfig names it. Source: client.authentication.k8s.io. */
export interface ExecPlugin {
  readonly apiVersion: string
  /** A name for PATH, or an absolute path. */
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  /** What to tell whoever has no such command. */
  readonly installHint: string
  /** Of `spec.cluster` in what the command is told; `undefined`: it is told of none. */
  readonly cluster: Readonly<Record<string, unknown>> | undefined
}
