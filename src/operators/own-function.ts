/**
 * A function object for every subtask, as in Flink, where each gets its own copy. A worker runs one subtask of an operator,
 * and the object that its copy of the program made is that subtask's. In local mode several subtasks run in one thread:
 * the first has the object itself, the others copies of what it was when the graph was built.
 *
 * What can be copied: instances of classes. A constructor without parameters is called again; otherwise the fields are
 * copied, plain data by value. What cannot (object literals, whose variables lie outside of them; fields that hold
 * functions or handles; private fields set by constructor arguments) is shared, and refused by `openFunction` if it has an
 * `open`. Cold: at start.
 */
type Fields = ReadonlyMap<string, unknown>
type Class = new () => object

/** Objects that an operator has, until it is closed. */
const taken = new WeakSet<object>()

/** Answers the object itself as long as no other operator has it, copies otherwise (or the object, if it has none). */
export function perSubtask<F>(userFunction: F): () => F {
  if (typeof userFunction !== 'object' || userFunction === null) return () => userFunction
  const copy = copierOf(userFunction)
  return () => {
    if (taken.has(userFunction)) return (copy?.() ?? userFunction) as F
    taken.add(userFunction)
    return userFunction
  }
}

/** Its operator is closed. */
export function releaseFunction(userFunction: unknown): void {
  taken.delete(userFunction as object)
}

/** Undefined where no copy would behave like a new object of the program's. */
function copierOf(original: object): (() => object) | undefined {
  const classes = classesOf(original)
  if (classes === undefined) return undefined
  const fields = fieldsOf(original)
  if (classes.every(takesNoArguments)) {
    const Constructor = original.constructor as Class
    return () => renewed(new Constructor(), fields)
  }
  // Private fields are nowhere to be seen; functions may be bound to the original.
  if (classes.some((one) => /#[\w$]/.test(String(one)))) return undefined
  const data = [...fields].map(([name, value]) => [name, dataOf(value)] as const)
  if (data.some(([, value]) => value === undefined)) return undefined
  return () => {
    const copy = Object.create(Object.getPrototypeOf(original) as object) as Record<string, unknown>
    for (const [name, value] of data) copy[name] = structuredClone(value!.data)
    return copy
  }
}

/** The class of the object and those it extends; undefined where it is not an instance of a class. */
function classesOf(instance: object): readonly Class[] | undefined {
  const classes: Class[] = []
  let prototype = Object.getPrototypeOf(instance) as object | null
  for (; prototype !== null && prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype)) {
    const { constructor } = prototype
    if (!/^class\b/.test(String(constructor))) return undefined
    classes.push(constructor as Class)
  }
  return classes.length === 0 ? undefined : classes
}

const takesNoArguments = (one: Class): boolean => !/\bconstructor\s*\(\s*[^)\s]/.test(String(one))

function fieldsOf(original: object): Fields {
  return new Map(Object.entries(original))
}

/** A new object, with what the program has set in the original since it made that. */
function renewed(fresh: object, fields: Fields): object {
  const target = fresh as Record<string, unknown>
  for (const [name, value] of fields) {
    if (typeof value === 'function') target[name] ??= value
    else if (typeof value !== 'object' || value === null) target[name] = value
    else target[name] ??= dataOf(value)?.data ?? value
  }
  return target
}

/** A copy of plain data: values, arrays, maps, sets, plain objects. Undefined for anything else. */
function dataOf(value: unknown): { readonly data: unknown } | undefined {
  if (!isPlain(value, 0)) return undefined
  return { data: structuredClone(value) }
}

const depthMax = 16
const copied = new Set<unknown>([Object.prototype, null, Array.prototype, Map.prototype, Set.prototype, Date.prototype])

function isPlain(value: unknown, depth: number): boolean {
  if (typeof value === 'function' || typeof value === 'symbol' || depth > depthMax) return false
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return true
  if (!copied.has(Object.getPrototypeOf(value))) return false
  const parts = value instanceof Map ? [...value].flat() : value instanceof Set ? [...value] : Object.values(value)
  return parts.every((part) => isPlain(part, depth + 1))
}
