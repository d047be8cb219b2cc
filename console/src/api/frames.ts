// What comes in parts: a page block by block as each is read, and rows by the thousand as Arrow.
import { useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query'
import { ask, url, useCircumstances, type Refusal } from './client'
import { t } from '../i18n'
import type { BlockData, PageData, Plain, Problem } from './types'

const FRAMES = 'application/vnd.heptad.frames', ARROW = 'application/vnd.apache.arrow.stream'
type Line = { block: number; data: unknown; problem: Problem | null; arrow: [string, number][] }
type Columns = Record<string, ArrayLike<Plain>>

/** Read a page of an application; its blocks fill as they come, and keep what they had when read again. */
export function usePage(app: string, page: string): UseQueryResult<PageData, Refusal> {
  const { as_of, purpose } = useCircumstances()
  const client = useQueryClient()
  const path = url(`apps/${encodeURIComponent(app)}/pages/${encodeURIComponent(page)}`, { t: as_of })
  const id = [path, purpose ?? '']
  return useQuery<PageData, Refusal>({
    queryKey: id,
    queryFn: async ({ signal }) => {
      const bytes = new Bytes(await ask(path, { purpose, signal, accept: FRAMES }))
      const head = JSON.parse((await bytes.line())!) as PageData, before = client.getQueryData<PageData>(id)
      let found: PageData = { ...head, blocks: head.blocks.map((b, i) => ({ ...b, ...(before && { data: before.blocks[i]?.data, problem: before.blocks[i]?.problem ?? null }) })) }
      const came = new Set<number>()
      try {
        for (let line = await bytes.line(); line !== null; line = await bytes.line()) {
          const told = JSON.parse(line) as Line
          const data = await whole(told, bytes)
          found = { ...found, blocks: found.blocks.map((b, i): BlockData => (i === told.block ? { ...b, data, problem: told.problem } : b)) }
          came.add(told.block)
          client.setQueryData(id, found)
        }
      } catch (error) {
        if (signal.aborted) throw error
      }
      // What was cut off shows what came, and says of the rest that it did not.
      const broken: Problem = { title: t('The page broke off before this came.'), status: 0, code: 'broken', do: t('load the page again') }
      return { ...found, blocks: found.blocks.map((b, i): BlockData => (came.has(i) ? b : { ...b, problem: broken })) }
    },
  })
}

/** Put what followed a line as Arrow where it belongs. */
async function whole(told: Line, bytes: Bytes): Promise<unknown> {
  let data = told.data
  for (const [name, size] of told.arrow) {
    const table = (await arrow()).tableFromIPC(await bytes.take(size))
    data = name === 'rows' ? table.toArray() : { ...(data as object), [name]: columns(table) }
  }
  return data
}

/** Rows of a table as columns, with what the answer says of them. */
export interface Sheet { n: number; columns: Columns; money: Record<string, string>; after: string }

export async function rows(path: string, init: { purpose?: string; signal?: AbortSignal }): Promise<Sheet> {
  const [answer, { tableFromIPC }] = await Promise.all([ask(path, { ...init, accept: ARROW }), arrow()])
  const table = tableFromIPC(await answer.arrayBuffer()), told = table.schema.metadata
  return { n: table.numRows, columns: columns(table), money: JSON.parse(told?.get('money') ?? '{}'), after: told?.get('after') ?? '' }
}

const arrow = () => import('@uwdata/flechette')
const columns = (table: { names: readonly string[]; getChild(name: string): { toArray(): ArrayLike<unknown> } }): Columns => Object.fromEntries(table.names.map(n => [n, table.getChild(n).toArray() as ArrayLike<Plain>]))

/** The bytes of an answer, taken by lines and by counts as they come. */
class Bytes {
  private held: Uint8Array[] = []
  private readonly source: ReadableStreamDefaultReader<Uint8Array>
  constructor(answer: Response) { this.source = answer.body!.getReader() }

  /** The next line without its end; null after the last one. */
  async line(): Promise<string | null> {
    for (let i = 0, before = 0; ; i++) {
      if (i === this.held.length && !(await this.more())) return null
      const end = this.held[i].indexOf(10)
      if (end >= 0) return new TextDecoder().decode((await this.take(before + end + 1)).subarray(0, -1))
      before += this.held[i].length
    }
  }

  async take(size: number): Promise<Uint8Array> {
    const found = new Uint8Array(size)
    for (let at = 0; at < size;) {
      if (!this.held.length && !(await this.more())) throw new Error('The answer ended early.')
      const part = this.held[0], n = Math.min(part.length, size - at)
      found.set(part.subarray(0, n), at)
      at += n
      if (n < part.length) this.held[0] = part.subarray(n)
      else this.held.shift()
    }
    return found
  }

  private async more(): Promise<boolean> {
    const { value, done } = await this.source.read()
    if (value) this.held.push(value)
    return !done
  }
}
