import * as t from 'io-ts'

import { unicode } from './codecs.ts'

const optional = <A>(codec: t.Type<A>): t.UnionC<[t.Type<A>, t.NullC, t.UndefinedC]> =>
  t.union([codec, t.null, t.undefined], codec.name)

const object = t.union([t.UnknownRecord, t.null, t.undefined], 'an object')
export const admissionApiVersion = 'admission.k8s.io/v1'

/** What an apiserver asks of a webhook, as far as plugins can be told of it. Source: admission.k8s.io/v1 AdmissionReview. */
export const AdmissionReview = t.type({
  apiVersion: t.string,
  kind: t.string,
  request: t.type({
    uid: t.string,
    operation: t.string,
    kind: t.type({ group: unicode, version: unicode, kind: unicode }),
    namespace: optional(unicode),
    object: object,
    oldObject: object,
  }),
})
export type AdmissionReview = t.TypeOf<typeof AdmissionReview>
