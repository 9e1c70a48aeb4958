/** The few words of fp-ts in use here, and its only door. `fp-ts/lib/*.js` is the one import form that ESM on Node 20 resolves. */
export { pipe } from 'fp-ts/lib/function.js'
export * as E from 'fp-ts/lib/Either.js'
export * as O from 'fp-ts/lib/Option.js'
export * as TE from 'fp-ts/lib/TaskEither.js'
