import eslint from '@eslint/js'
import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

/** Where values arrive that only their sender types. Everywhere else in src a type is earned, never asserted. */
const doors = ['contexts', 'express', 'plugins', 'sources', 'telemetry', 'testing'].map((room) => `src/${room}/**`)

const base = {
  extends: [eslint.configs.recommended],
  linterOptions: { noInlineConfig: true },
  rules: {
    eqeqeq: 'error',
    // The compiler knows better which names exist.
    'no-undef': 'off',
    'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx'], location: 'anywhere' }],
  },
}

/** Code that the compiler reads: by tsconfig.json, and by examples/tsconfig.json, which reads JavaScript too. */
const typed = {
  files: ['src/**/*.ts', 'test/**/*.ts', 'examples/**/*.ts', 'examples/**/*.js'],
  extends: [tseslint.configs.recommendedTypeChecked],
  languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
  rules: {
    '@typescript-eslint/consistent-type-exports': 'error',
    '@typescript-eslint/consistent-type-imports': 'error',
    '@typescript-eslint/no-deprecated': 'error',
    '@typescript-eslint/no-non-null-assertion': 'error',
    // A gRPC status is an enum in grpc-js and a plain number wherever it comes from.
    '@typescript-eslint/no-unsafe-enum-comparison': 'off',
    '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
  },
}

/** JSDoc has no other word for what JSON.parse and gRPC hand over. */
const plainJavaScript = {
  files: ['examples/**/*.js'],
  rules: Object.fromEntries(
    ['argument', 'assignment', 'call', 'member-access', 'return'].map((use) => [
      `@typescript-eslint/no-unsafe-${use}`,
      'off',
    ]),
  ),
}

const library = {
  files: ['src/**/*.ts'],
  rules: {
    complexity: ['warn', { max: 12, variant: 'modified' }],
    'max-lines': ['warn', 250],
    'no-console': 'error',
    'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true, named: true, namedFrom: true } }],
  },
}

const withoutAssertions = {
  files: ['src/**/*.ts'],
  ignores: doors,
  rules: { '@typescript-eslint/consistent-type-assertions': ['error', { assertionStyle: 'never' }] },
}

const listedNames = {
  files: ['src/**/index.ts'],
  rules: {
    'no-restricted-syntax': [
      'error',
      { selector: 'ExportAllDeclaration', message: 'List the names: each one is a promise to its users.' },
    ],
  },
}

export default defineConfig(
  { ignores: ['dist', 'coverage'] },
  base,
  typed,
  plainJavaScript,
  library,
  withoutAssertions,
  listedNames,
)
