export { readFixtures, type Fixture, type FixtureOptions } from './fixtures.ts'
export { recordingPlugins, type RecordedCall, type ScriptedAnswer } from './recording-plugin.ts'
export { route, type RouteDecision } from './route.ts'
