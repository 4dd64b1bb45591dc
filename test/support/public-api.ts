/**
 * The public API as its entry points name it. An entry point consists of re-exports only, and every declaration starts
 * its line, so that reading them needs no compiler.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { read, root } from './repository.ts'

export interface PublicExport {
  /** Name that users import. */
  readonly name: string
  /** Name in the file that declares it. */
  readonly declaredAs: string
  readonly isType: boolean
  /** File that declares it, relative to the root. */
  readonly path: string
}

/** Entry points by the specifier that users write. */
export const entryPoints: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ['millrace', 'src/index.ts'],
    ['millrace/testing', 'src/testing/index.ts'],
  ].filter(([, path]) => existsSync(join(root, path!))),
)

const declaration = /^export (?:declare )?(?:abstract )?(?:async )?(function\*?|const|let|class|interface|type) (\w+)/gm

/** All names that a file exports: declared there, named from another file, or all of another file. */
export function publicExports(path: string): PublicExport[] {
  const text = read(path)
  const found: PublicExport[] = []
  for (const [, kind, name] of text.matchAll(declaration)) {
    found.push({ name: name!, declaredAs: name!, isType: kind === 'type' || kind === 'interface', path })
  }
  for (const [, isType, names, from] of text.matchAll(/^export (type )?\{([^}]*)\} from '(\.[^']+)'/gm)) {
    const known = new Map(publicExports(join(dirname(path), from!)).map((one) => [one.name, one]))
    for (const item of names!.split(',').map((part) => part.trim().replaceAll(/\s+/g, ' '))) {
      const match = /^(type )?(\w+)(?: as (\w+))?$/.exec(item)
      const declared = match === null ? undefined : known.get(match[2]!)
      if (match === null || declared === undefined) continue
      const isOnlyType = declared.isType || isType !== undefined || match[1] !== undefined
      found.push({ ...declared, name: match[3] ?? match[2]!, isType: isOnlyType })
    }
  }
  for (const [, from] of text.matchAll(/^export \* from '(\.[^']+)'/gm)) {
    found.push(...publicExports(join(dirname(path), from!)))
  }
  return [...new Map(found.map((one) => [one.name, one])).values()]
}

/** The doc comment before the declaration of a name: undefined where there is no declaration, '' where no comment. */
export function docCommentOf(one: PublicExport): string | undefined {
  const text = read(one.path)
  const declaration = new RegExp(
    `^export (?:declare )?(?:abstract )?(?:async )?(?:function\\*?|const|let|class|interface|type) ${one.declaredAs}\\b`,
    'm',
  ).exec(text)
  if (declaration === null) return undefined
  const before = text.slice(0, declaration.index)
  return /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*$/.exec(before)?.[1]?.trim() ?? ''
}
