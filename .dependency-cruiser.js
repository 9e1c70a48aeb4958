/**
 * The walls of the house. Ground floor: the contracts, files directly in src. Rooms: its folders. Roof: the files that wire rooms
 * together. test/architecture.test.ts plants one violation per wall and expects red for that wall alone.
 */
const roof = '^src/(index|aggregator|dispatch|options)[.]ts$'
const pureRooms = '^src/(api|routing|services|layers|frames)/'

/** Where a foreign package, or a module of Node that reaches outside, may be imported. In src there is no other package. */
const doors = {
  '@grpc/grpc-js': '^src/plugins/grpc/',
  // A scripted plugin stands on the other side of the wire: it encodes what the library decodes.
  '@grpc/proto-loader': '^src/(plugins/grpc/|testing/scripted-plugin-messages[.]ts$)',
  '@opentelemetry/api': '^src/telemetry/',
  express: '^src/express/',
  'fast-json-patch': '^src/json-patch[.]ts$',
  'fp-ts': '^src/fp[.]ts$',
  'io-ts': '^src/(api/|decode[.]ts$)',
  'http-proxy-middleware': '^src/proxy/',
  'lru-cache': '^src/(contexts|proxy)/',
  // Plugins, and the commands of a kubeconfig that give credentials.
  'node:child_process': '^src/(plugins/process/|kubernetes/exec-credential[.]ts$)',
  'node:http': '^src/(express/|proxy/|kubernetes/|contexts/http[.]ts$|kept-sockets[.]ts$)',
  'node:https': '^src/(express/|proxy/|kubernetes/|contexts/http[.]ts$)',
  'prom-client': '^src/telemetry/',
  // What a door carries an answer out to.
  ws: '^src/express/',
  yaml: '^src/(yaml|yaml-edit|yaml-lines)[.]ts$',
}

/** Matches what an import of one of the names resolves to: a file of the package or of its declarations, or a module of Node. */
const pathOf = (...names) =>
  `(^|node_modules/)(@types/)?(${names.map((name) => name.replace('node:', '')).join('|')})(/|$)`

const wall = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

const oneDoor = ([name, place]) =>
  wall(
    `one-door-for-${name}`,
    `${name} has one door; elsewhere use what that door gives`,
    { path: '^src/', pathNot: place },
    { path: pathOf(name) },
  )

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    wall(
      'rooms-never-import-rooms',
      'rooms meet in the contracts on the ground floor',
      { path: '^src/([^/]+)/', pathNot: '^src/(api|testing|cli)/' },
      { path: '^src/[^/]+/', pathNot: '^src/($1|api)/' },
    ),
    wall(
      'rooms-never-import-the-roof',
      'only the roof knows the rooms, never the other way round',
      { path: '^src/[^/]+/', pathNot: '^src/(api|testing|cli)/' },
      { path: roof },
    ),
    wall(
      'api-stands-on-decode-and-fp',
      'every room imports api, so api needs next to nothing',
      { path: '^src/api/' },
      { path: '^src/', pathNot: '^src/(api/|(decode|fp)[.]ts$)' },
    ),
    wall(
      'ground-floor-knows-no-room',
      'a contract depends on contracts and on api',
      { path: '^src/[^/]+$', pathNot: roof },
      { path: ['^src/[^/]+/', roof], pathNot: '^src/api/' },
    ),
    wall(
      'testing-is-for-users',
      'what is published for tests takes no part in the work',
      { path: '^src/', pathNot: '^src/testing/' },
      { path: '^src/testing/' },
    ),
    wall(
      'cli-is-a-program',
      'it wires rooms as the roof does, and nothing is built on it',
      { path: '^src/', pathNot: '^src/cli/' },
      { path: '^src/cli/' },
    ),
    wall(
      'src-stands-alone',
      'only src is compiled and published',
      { path: '^src/' },
      { path: '^(examples|fixtures|test)/' },
    ),
    wall(
      'examples-use-the-public-entries',
      'an example shows what users can do',
      { path: '^examples/' },
      { path: '^src/', pathNot: '^src/(index|testing/index)[.]ts$' },
    ),
    wall(
      'pure-rooms-touch-no-node',
      'what is pure needs no server, file or process to be tested',
      { path: pureRooms },
      { dependencyTypes: ['core'] },
    ),
    wall(
      'no-package-without-a-door',
      'give the package one door in .dependency-cruiser.js',
      { path: '^src/' },
      { path: '(^|/)node_modules/', pathNot: pathOf(...Object.keys(doors)) },
    ),
    wall(
      'express-lends-only-types',
      'the app belongs to the host, and so does its version of Express',
      { path: '^src/express/' },
      { path: pathOf('express'), dependencyTypesNot: ['type-only'] },
    ),
    wall(
      'no-cycles',
      'a cycle makes one module of two files; one of types alone grows into a real one',
      { path: '^src/' },
      { circular: true },
    ),
    ...Object.entries(doors).map(oneDoor),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['dataplane-aggregator:source', 'types', 'import', 'node', 'default'],
    },
  },
}
