import type { SecureContext } from 'node:tls'

import type { ExecPlugin } from './exec-plugin.ts'

/** A text that is given, or the file that holds it: one that others may write again. */
export type TextSource = { readonly text: string } | { readonly path: string }

/** As whom to ask. */
export type Login =
  | { readonly _tag: 'None' }
  /** A token or a password, ready for the header. */
  | { readonly _tag: 'Fixed'; readonly authorization: string }
  /** `fallback` is the token until the file could be read for the first time. */
  | { readonly _tag: 'TokenFile'; readonly path: string; readonly fallback: string | undefined }
  | { readonly _tag: 'TokenFunction'; readonly token: () => string | Promise<string> }
  | { readonly _tag: 'Exec'; readonly plugin: ExecPlugin }

/** PEM. */
export interface TlsSources {
  readonly ca: TextSource | undefined
  readonly cert: TextSource | undefined
  readonly key: TextSource | undefined
  /** Name in the server's certificate, where it is not the host of its URL. */
  readonly serverName: string | undefined
  readonly isInsecure: boolean
}

/** All there is to know of the way to an apiserver, checked. */
export interface Access {
  /** http or https, maybe with a path, never with a login. */
  readonly server: URL
  readonly namespace: string
  /** Sent with each request; impersonation, for one. */
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string>>>
  readonly tls: TlsSources
  /** http or https, maybe with a login. */
  readonly proxy: URL | undefined
  readonly login: Login
  /** What its user should know, though it works. */
  readonly warning?: string
}

/** What one request shows of itself. The very same object as long as nothing of it has changed. */
export interface Presented {
  readonly authorization: string | undefined
  /** `undefined` for http. */
  readonly secureContext: SecureContext | undefined
}
