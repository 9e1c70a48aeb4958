import * as t from 'io-ts'

import { arrayAtMost, unicode } from './codecs.ts'

export const conversionApiVersion = 'apiextensions.k8s.io/v1'

/** More than a body of the default size holds of real objects; of `{}` it holds a million, and each would be a message. */
const maxObjects = 50_000

/**
 * What an apiserver asks of a conversion webhook. It sends a blank `response` along, which passes through unread. Source:
 * apiextensions.k8s.io/v1 ConversionReview.
 */
export const ConversionReview = t.type({
  apiVersion: t.string,
  kind: t.string,
  request: t.type({
    uid: unicode,
    desiredAPIVersion: unicode,
    objects: arrayAtMost(maxObjects, 'objects', t.UnknownRecord),
  }),
})
export type ConversionReview = t.TypeOf<typeof ConversionReview>
