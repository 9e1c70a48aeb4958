/**
 * Where ours answers otherwise than Kubernetes' own apiserver, and why. What is not listed must be the same, and what is listed must
 * differ. Shape: `patches strategically #2: status`, of the second answer of that scene; `*` stands for anything.
 */
export interface Difference {
  readonly why: string
  readonly where: ReadonlyArray<string>
}

export const differences: ReadonlyArray<Difference> = [
  {
    why: "It takes strategic merge patches, as Grafana's own server does; one of CustomResourceDefinitions does not.",
    where: [
      'patches strategically #2: status',
      'patches without a type #2: body.message',
      'patches without a type #3: body.message',
      'patches without a type #4: body.message',
    ],
  },
  {
    why: 'What the client did wrong is 400 here, and 500 there.',
    where: [
      'applies a wrong type #1: status',
      'applies a wrong type #2: status',
      'applies one service twice #1: status',
      'applies unknown fields #1: status',
      'applies unknown fields #2: status',
      'applies unknown fields #3: status',
      'creates with a resourceVersion #1: status',
      'gets at a resourceVersion #5: status',
      'replaces with a resourceVersion that is a word #2: status',
      'watches with wrong words #5: status',
      'watches with wrong words #6: status',
    ],
  },
  {
    why: 'Nobody collects garbage: what is deleted is gone, whatever is to become of dependents.',
    where: ['deletes and orphans #2: body.kind', 'deletes in the foreground #2: body.kind'],
  },
  {
    why: 'RFC 6902: what is replaced must be there. There, it is added.',
    where: ['patches in vain #3: status'],
  },
  {
    why: 'An unknown operation is told at once, with its number.',
    where: ['patches in vain #6: status'],
  },
  {
    why: 'A name may be left out of what is applied, also when it creates: the path has it.',
    where: ['applies YAML #1: status', 'applies a part first #1: status', 'applies without a name #1: status'],
  },
  {
    why: 'A null is what is not there, wherever it stands.',
    where: ['applies a null where there must be a text #1: body.*', 'applies no labels #1: status'],
  },
  {
    why: 'An annotation is a text; there, null becomes an empty one.',
    where: ['applies an annotation of null #1: status'],
  },
  {
    why: 'A path has one form: encoded slashes and dot segments are refused before anybody looks at it.',
    where: ['gets a name that is none #2: body.message', 'gets a name that is none #3: status'],
  },
  {
    why: 'A path that ends with a slash is another one.',
    where: ['ends with a slash #2: status', 'ends with a slash #3: status'],
  },
  {
    why: 'The old way to watch, before the parameter, is not offered.',
    where: ['watches in the old way #2: status', 'watches in the old way #3: status'],
  },
  {
    why: 'A method that a path does not take is 405, with Allow, whatever else is wrong.',
    where: [
      'asks what the collection takes #1: *',
      'creates and deletes a status #2: *',
      'creates and deletes a status #3: *',
      'replaces the collection #1: status',
      'replaces the collection #2: status',
    ],
  },
  {
    why: "metadata.namespace is a field here, as in Grafana's registry; no object has one.",
    where: ['lists by the fields "metadata.namespace=x" #4: status'],
  },
  {
    why: 'A set of no values is a mistake.',
    where: ['lists by the wrong labels "a in ()" #2: status'],
  },
  {
    why: 'A form that is not for a list, or not for one object, is passed over for the next that is accepted.',
    where: ['gets metadata alone #4: status', 'gets metadata alone #5: status'],
  },
  {
    why: 'Proxies on the way must not gather up a watch.',
    where: ['watches *: headers.cache-control'],
  },
  {
    why: 'Errors are compact JSON, whatever form was asked for.',
    where: [
      'gets YAML #3: headers.content-type',
      'gets a pretty one #5: layout',
      'gets a table of an unknown kind #2: layout',
      'gets a table of an unknown kind #3: layout',
      'gets what it can, of several #11: layout',
      'gets what it can, of several #13: layout',
      'gets what it can, of several #5: layout',
      'gets what it can, of several #6: body.kind',
      'watches as YAML #2: headers.content-type',
    ],
  },
  {
    why: 'It has no protobuf, and says that it has tables.',
    where: [
      'creates from a form #1: body.message',
      'creates from text #1: body.message',
      'deletes with options as text #2: body.message',
      'gets a table of an unknown kind #2: body.message',
      'gets a table of an unknown kind #3: body.message',
      'gets what it can, of several #11: body.message',
      'gets what it can, of several #13: body.message',
      'gets what it can, of several #5: body.message',
      'watches as YAML #2: body.message',
    ],
  },
  {
    why: 'An empty list is a list, and no continue an empty text.',
    where: [
      'gets a table #3: body.metadata.continue',
      'gets a table with whole objects #*: body.metadata.continue',
      'gets metadata alone #3: body.metadata.continue',
      'watches tables #3: body.1.object.columnDefinitions',
      'watches tables #4: body.1.object.columnDefinitions',
    ],
  },
  {
    why: 'Columns are described in other words.',
    where: [
      'gets a* table*: body.columnDefinitions.description',
      'watches tables #*: body.0.object.columnDefinitions.description',
    ],
  },
  {
    why: 'Each cause is told once.',
    where: [
      'deletes what waits for a finalizer #4: body.details.causes.1',
      'merges another uid #2: body.details.causes.1',
      'merges wrong metadata #2: body.details.causes.1',
      'merges wrong metadata #2: body.details.causes.2',
    ],
  },
  {
    why: 'Details name the object that was asked for, and its kind, also when the body names others; a conflict has its resource.',
    where: [
      'creates from a list of objects #1: body.*',
      'creates with another kind #1: body.*',
      'deletes on conditions #2: body.*',
      'deletes on conditions #3: body.*',
      'merges another kind #2: body.*',
      'merges another kind #3: body.*',
    ],
  },
  {
    why: 'A field that does not fit after a patch is told, and not the whole object with it.',
    where: [
      'merges unknown fields #3: body.*',
      'merges unknown fields #4: body.*',
      'merges wrong metadata #3: body.*',
      'patches unknown fields in #3: body.*',
    ],
  },
  {
    why: 'An object of another version is not looked into for unknown fields.',
    where: ['creates with another apiVersion #1: headers.warning'],
  },
  {
    why: 'Whoever takes over fields without a change has a time all the same.',
    where: ['applies against an update #3: body.metadata.managedFields.0.time'],
  },
  {
    why: 'The field has its whole path.',
    where: ['merges a time that is none #2: body.*', 'merges a wrong status #4: body.*'],
  },
  {
    why: 'Nothing of the storage is told.',
    where: ['replaces another uid #2: body.message'],
  },
  {
    why: 'A refusal names the option behind it.',
    where: ['sends too much #*: body.message'],
  },
  {
    why: "Rules of names, labels and the rest are told in our words, without Go's regular expressions.",
    where: [
      'creates with a name of 254 characters #1: body.*',
      'creates with a name that is a path #1: body.*',
      'creates with a wrong finalizer #1: body.*',
      'creates with a wrong name #1: body.*',
      'creates with half a name that is wrong #1: body.*',
      'creates with wrong annotations #1: body.*',
      'creates with wrong labels #1: body.*',
      'creates with wrong owners #1: body.*',
      'lists at a wrong resourceVersion #3: body.*',
      'merges wrong metadata #2: body.*',
    ],
  },
  {
    why: "What cannot be read is told in our words, not in those of Go's parsers, and bodies are not repeated.",
    where: [
      'applies something that is no YAML #1: body.message',
      'applies something that is no YAML #2: body.message',
      'applies something that is no YAML #3: body.message',
      'creates from YAML with a field twice #1: body.message',
      'creates from a list #1: body.message',
      'creates from nothing #1: body.message',
      'creates from null #1: body.message',
      'creates from something that is no JSON #1: body.message',
      'creates from something that is no YAML #1: body.message',
      'creates with a label that is a number #1: body.message',
      'creates with a name that is a number #1: body.message',
      'creates with a wrong timeout #1: body.message',
      'creates with metadata that is a text #1: body.message',
      'creates without a kind #1: body.message',
      'deletes with a body that is none #2: body.message',
      'deletes with a body that is none #3: body.message',
      'deletes with a grace that is none #2: body.message',
      'deletes with a grace that is none #3: body.message',
      'deletes with options of another kind #2: body.message',
      'gets a table with whole objects #5: body.message',
      'lists at a wrong resourceVersion #1: body.message',
      'lists at a wrong resourceVersion #2: body.message',
      'lists by the fields "metadata.name=a=b" #4: body.message',
      'lists by the wrong labels "a in b" #2: body.message',
      'lists pages with wrong words #2: body.message',
      'lists pages with wrong words #3: body.message',
      'lists pages with wrong words #4: body.message',
      'lists the future #1: body.message',
      'lists the future exactly #1: body.message',
      'lists with unknown parameters #3: body.message',
      'merges something that is no object #2: body.message',
      'merges something that is no object #3: body.message',
      'merges something that is no object #4: body.message',
      'merges something that is no object #5: body.message',
      'patches in vain #7: body.message',
      'patches in vain #8: body.message',
      'patches in vain #9: body.message',
      'patches ten thousand and one times #2: body.message',
      'watches with wrong words #9: body.message',
    ],
  },
]
