/** What users import is documented, and the examples in its documentation compile. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { docCommentOf, entryPoints, publicExports } from '../support/public-api.ts'
import { read, root } from '../support/repository.ts'

const all = Object.entries(entryPoints).flatMap(([specifier, path]) =>
  publicExports(path).map((one) => ({ ...one, specifier })),
)

/** What examples may use without saying where it comes from. */
const preamble = `
interface Bid { auction: number; bidder: number; price: number; channel: string; timeMs: number }
interface Ride { id: number; driver: string; startMs: number; endMs: number }
`

/** Streams and the like that examples continue from, by name. */
const given: Readonly<Record<string, string>> = {
  env: "import('millrace').StreamExecutionEnvironment",
  bids: "import('millrace').DataStream<Bid>",
  rides: "import('millrace').DataStream<Ride>",
  words: "import('millrace').DataStream<string>",
  counts: "import('millrace').DataStream<{ word: string; count: number }>",
}

test('entry points only re-export, so that this test sees everything', () => {
  for (const path of Object.values(entryPoints)) {
    const rest = read(path)
      .replaceAll(/\/\*[^]*?\*\//g, '')
      .replaceAll(/\/\/.*$/gm, '')
      .replaceAll(/^export (type )?\{[^}]*\} from '[^']+'/gm, '')
      .replaceAll(/^export (type )?\* from '[^']+'/gm, '')
    expect(rest.trim(), path).toBe('')
  }
})

test('every public export has a doc comment', () => {
  const undocumented = all
    .filter((one) => !docCommentOf(one))
    .map((one) => `${one.specifier}: ${one.name} (${one.path})`)
  expect([...new Set(undocumented)]).toEqual([])
})

test('every @example of a public export, and the code in README.md and docs/testing.md, compiles', () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-examples-'))
  try {
    const examples = [...new Set(all.map((one) => one.path))].flatMap((path) => examplesOf(path))
    for (const page of ['README.md', 'docs/testing.md']) {
      for (const [, code] of read(page).matchAll(/^```ts\n([^]*?)^```/gm)) {
        examples.push({ file: `page-${examples.length}.ts`, code: code! })
      }
    }
    expect(examples.length).toBeGreaterThan(0)
    for (const { file, code } of examples) writeFileSync(join(directory, file), withImports(code))
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
    const paths = Object.entries(entryPoints).map(([specifier, path]) => [specifier, [join(root, path)]])
    writeFileSync(
      join(directory, 'tsconfig.json'),
      JSON.stringify({
        extends: join(root, 'tsconfig.json'),
        compilerOptions: {
          paths: Object.fromEntries(paths),
          typeRoots: [join(root, 'node_modules/@types')],
          noUnusedLocals: false,
          noUnusedParameters: false,
          isolatedDeclarations: false,
          declaration: false,
        },
        include: ['*.ts'],
      }),
    )
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const { stdout } = spawnSync(process.execPath, [tsc, '-p', directory], { cwd: directory, encoding: 'utf8' })
    expect(stdout).toBe('')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

/** Each example with the name of a file that says where it stands. */
function examplesOf(path: string): { file: string; code: string }[] {
  const found: { file: string; code: string }[] = []
  const text = read(path)
  const isPublic = (name: string | undefined) => all.some((one) => one.path === path && one.declaredAs === name)
  for (const comment of text.matchAll(/^( *)\/\*\*((?:(?!\*\/)[^])*)\*\//gm)) {
    // A comment at the margin documents what follows, one further in belongs to what it stands in.
    const declared = [...text.matchAll(/^export [\w* ]*?(?:function\*?|const|class|interface|type) (\w+)/gm)]
    const owner =
      comment[1] === ''
        ? declared.find((one) => one.index > comment.index)
        : declared.findLast((one) => one.index < comment.index)
    if (!isPublic(owner?.[1])) continue
    for (const example of comment[2]!.matchAll(/@example\s([^]*?)(?=\n\s*\*\s*@|$)/g)) {
      const code = example[1]!
        .split('\n')
        .map((line) => line.replace(/^\s*\* ?/, ''))
        .filter((line) => !line.startsWith('```'))
        .join('\n')
      const line = text.slice(0, comment.index).split('\n').length
      found.push({ file: `${path.replaceAll('/', '-').replace(/\.ts$/, '')}-${line}-${found.length}.ts`, code })
    }
  }
  return found
}

function withImports(code: string): string {
  const lines = all
    .filter((one) => !one.isType || !/^(Bid|Ride)$/.test(one.name))
    .filter((one) => new RegExp(`\\b${one.name}\\b`).test(code) && !new RegExp(`import.*\\b${one.name}\\b`).test(code))
    .filter((one) => !new RegExp(`(const|let|class|interface|type|function) ${one.name}\\b`).test(code))
    .map((one) => `import ${one.isType ? 'type ' : ''}{ ${one.name} } from '${one.specifier}'`)
  const declared = Object.entries(given)
    .filter(([name]) => new RegExp(`(?<!\\.)\\b${name}\\.`).test(code))
    .filter(([name]) => !new RegExp(`(const|let) ${name}\\b|\\b${name}(: [\\w<>]+)?\\) =>`).test(code))
    .map(([name, type]) => `declare const ${name}: ${type}`)
  return `${[...new Set([...lines, ...declared])].join('\n')}\n${preamble}\n${code}\nexport {}\n`
}
