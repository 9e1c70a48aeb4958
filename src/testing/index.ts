export { readFixtures, type Fixture, type FixtureOptions } from './fixtures.ts'
export { recordingPlugins, type RecordedCall, type ScriptedAnswer } from './recording-plugin.ts'
export { route, type RouteDecision } from './route.ts'
export { writeScriptedPlugin } from './scripted-plugin.ts'
export type {
  EachStart,
  PluginScript,
  ScriptedAnswers,
  ScriptedCall,
  ScriptedExit,
  ScriptedFailure,
  ScriptedFault,
  ScriptedMessages,
  ScriptedOutput,
  ScriptedShutdown,
  ScriptedStart,
  ScriptedTls,
} from './scripted-plugin-script.ts'
