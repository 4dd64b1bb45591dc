/**
 * Writes .oxlintrc.json from the lists below: `node scripts/lint-config.mjs` (a test checks that it is up to date).
 *
 * The folders of src/ form a total order; an import only goes to an earlier folder. Types alone may also be imported
 * from later folders that hold contracts, since a type leaves no trace at run time.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Each folder may import from those before it. Files directly in src/ come after all of them. */
export const folders = [
  'common',
  'memory',
  'metrics',
  'data',
  'exchange',
  'state',
  'time',
  'operators',
  'windows',
  'connectors',
  'plan',
  'checkpoint',
  'runtime',
  'coordinator',
  'api',
  'sql',
  'rest',
  'web',
  'testing',
  'cli',
]

/** Folders that hold contracts: earlier folders may know their types, not their values. */
export const contractFolders = ['state', 'operators', 'connectors']

/** Packages and built-in modules that only these folders may import. */
const reserved = [
  { names: ['piscina'], folders: ['coordinator'], why: 'slots are started by the coordinator alone' },
  {
    names: ['worker_threads', 'node:worker_threads'],
    folders: ['runtime', 'coordinator'],
    why: 'threads are the business of runtime and coordinator',
  },
  { names: ['classic-level'], folders: ['state'], why: 'databases lie under state backends' },
  { names: ['commander'], folders: ['cli'], why: 'the command line is the only reader of arguments' },
]

/** Restriction of one folder, as oxlint wants it; `toSource` is the way from the importing file up to src/. */
function restrictionsOf(folder, toSource) {
  const later = folders.slice(folders.indexOf(folder) + 1)
  const contracts = later.filter((name) => contractFolders.includes(name))
  const others = later.filter((name) => !contractFolders.includes(name))
  const patterns = []
  if (others.length > 0) {
    patterns.push({
      group: others.map((name) => `**/${name}/**`),
      message: `Imports only go down the order of folders (scripts/lint-config.mjs): ${folder} stands before this one.`,
    })
  }
  if (contracts.length > 0) {
    patterns.push({
      group: contracts.map((name) => `**/${name}/**`),
      allowTypeImports: true,
      message: `${folder} stands before this folder (scripts/lint-config.mjs): only its types may be imported.`,
    })
  }
  patterns.push({
    group: [`${toSource}/*.ts`],
    message: 'A file directly in src/ is an entry point: no folder imports it.',
  })
  const paths = reserved
    .filter((rule) => !rule.folders.includes(folder))
    .flatMap((rule) =>
      rule.names.map((name) => ({ name, message: `Only src/${rule.folders.join(', ')}: ${rule.why}.` })),
    )
  return { paths, patterns }
}

export function lintConfig() {
  return {
    plugins: ['typescript', 'import', 'unicorn'],
    categories: { correctness: 'error' },
    rules: {
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'import/no-cycle': ['error', { ignoreTypes: true }],
      'typescript/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      'typescript/no-explicit-any': 'error',
    },
    overrides: folders.flatMap((folder) => [
      {
        files: [`src/${folder}/*.ts`],
        rules: { 'no-restricted-imports': ['error', restrictionsOf(folder, '..')] },
      },
      {
        files: [`src/${folder}/*/**/*.ts`],
        rules: { 'no-restricted-imports': ['error', restrictionsOf(folder, '../..')] },
      },
    ]),
    ignorePatterns: ['dist', 'node_modules', 'bench/auctions/limit.mjs'],
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('../.oxlintrc.json', import.meta.url), `${JSON.stringify(lintConfig(), null, 2)}\n`)
}
