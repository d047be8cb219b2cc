// A condition as a picture has it: groups of plain comparisons; whatever else an expression says is kept as it stands.
import type { KnownName, Plain } from '../api/types'
import { digits } from '../i18n'

export type Json = Plain | Json[] | { [name: string]: Json }
export type Leaf = { op: Op; column: string; values: Plain[] }
export type Group = { join: 'and' | 'or'; parts: Node[] }
export type Node = Group | Leaf | { free: Json }

export const OPS = { eq: '=', ne: '≠', gt: '>', ge: '≥', lt: '<', le: '≤', between: 'between', in: 'one of', outside: 'none of', missing: 'is not known', there: 'is known' } as const
export type Op = keyof typeof OPS
const COUNT: Partial<Record<Op, number>> = { between: 2, missing: 0, there: 0 }

/** The comparisons that a kind of value takes. */
export function opsOf(kind: string): Op[] {
  if (kind === 'flag') return ['eq', 'missing', 'there']
  if (kind === 'text') return ['eq', 'ne', 'in', 'outside', 'missing', 'there']
  return ['gt', 'ge', 'lt', 'le', 'eq', 'ne', 'between', 'missing', 'there']
}

const call = (op: string, ...parts: Json[]): Json => ({ [op]: parts })
const bare = (json: Json): [string, Json[]] | null => {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) return null
  const [op, ...more] = Object.keys(json)
  const body = json[op]
  return !op || more.length ? null : [op, Array.isArray(body) ? body : [body]]
}
const columnOf = (json: Json): string | null => {
  const found = bare(json)
  return found && ['column', 'feature'].includes(found[0]) && typeof found[1][0] === 'string' ? found[1][0] : null
}
const plain = (json: Json): json is Plain => json === null || typeof json !== 'object'

/** Read an expression as a picture. */
export function pictured(json: Json): Node {
  const found = bare(json)
  if (!found) return { free: json }
  const [op, parts] = found
  if (op === 'and' || op === 'or') return { join: op, parts: parts.map(pictured) }
  if (op === 'not' && parts.length === 1) {
    const inner = pictured(parts[0])
    if ('op' in inner && inner.op === 'missing') return { ...inner, op: 'there' }
    if ('op' in inner && inner.op === 'in') return { ...inner, op: 'outside' }
    return { free: json }
  }
  const column = parts.length ? columnOf(parts[0]) : null, values = parts.slice(1)
  if (column === null || !(op in OPS) || !values.every(plain) || values.includes(null)) return { free: json }
  const n = COUNT[op as Op] ?? (op === 'in' ? values.length : 1)
  return values.length === n ? { op: op as Op, column, values } : { free: json }
}

/** Write a picture as the expression that it stands for. */
export function written(node: Node): Json {
  if ('free' in node) return node.free
  if ('join' in node) return node.parts.length === 1 ? written(node.parts[0]) : call(node.join, ...node.parts.map(written))
  const column = { column: node.column }
  if (node.op === 'there') return call('not', call('missing', column))
  if (node.op === 'outside') return call('not', call('in', column, ...node.values))
  return call(node.op, column, ...node.values)
}

/** How many values a comparison takes; any number for lists. */
export const valuesOf = (op: Op, before: Plain[], empty: Plain): Plain[] => {
  if (op === 'in' || op === 'outside') return before.length ? before : [empty]
  const n = COUNT[op] ?? 1
  return Array.from({ length: n }, (_, i) => before[i] ?? before[0] ?? empty)
}

/** What a new comparison with something begins with. */
export function begun(known: KnownName): Leaf {
  const op = opsOf(known.kind)[0]
  const empty: Plain = known.kind === 'flag' ? true : known.codes[0] ?? (['integer', 'number'].includes(known.kind) ? 0 : '')
  return { op, column: known.name, values: valuesOf(op, [], empty) }
}

const currency = (unit: string) => (/ minor units$/.test(unit) ? unit.split(' ')[0] : '')

/** A stored value as it is typed: amounts in their currency, not in cents. */
export function typed(value: Plain, known: KnownName): string {
  const of = currency(known.unit)
  return of && typeof value === 'number' ? String(value / 10 ** digits(of)) : value === null ? '' : String(value)
}

/** What was typed, as it is stored; text where it is no such value, for the server to refuse. */
export function stored(text: string, known: KnownName): Plain {
  if (!['integer', 'number'].includes(known.kind)) return text
  const n = Number(text.replace(/\s/g, '')), of = currency(known.unit)
  if (!text.trim() || !Number.isFinite(n)) return text
  return of ? Math.round(n * 10 ** digits(of)) : n
}

/** The unit beside a field. */
export const unitBeside = (unit: string) => currency(unit) || (['units', 'instant', 'fraction', 'values'].includes(unit) ? '' : unit)
