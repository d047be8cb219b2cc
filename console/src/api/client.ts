// The only place that fetches: the API of this origin, with the key and the purpose of the reader.
import { useQuery, type UseQueryResult } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import type { AppLine, Problem, Session } from './types'

/** An answer that is a problem document: what happened, the value met, what to do. */
export class Refusal extends Error {
  constructor(readonly problem: Problem) { super(problem.title) }
}

export interface Circumstances { as_of?: string; purpose?: string }
type Values = Record<string, string | number | undefined>

const KEY = 'heptad-key'
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? '',
  set: (text: string) => sessionStorage.setItem(KEY, text),
}

/** Of who signed in: sent along with every change, so that no page from elsewhere can make one. */
export const csrf = { token: '' }

type Init = { method?: string; body?: unknown; purpose?: string; signal?: AbortSignal; accept?: string }

/** Ask for something and return the answer, unless it is a problem. */
export async function ask(path: string, init: Init = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: init.accept ?? 'application/json' }
  if (init.purpose) headers['Heptad-Purpose'] = init.purpose
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`
  if (csrf.token && (init.method ?? 'GET') !== 'GET') headers['Heptad-CSRF'] = csrf.token
  if (init.body !== undefined) headers['Content-Type'] = 'application/json'
  let answer: Response
  try {
    answer = await fetch(path, { method: init.method ?? 'GET', headers, body: init.body === undefined ? undefined : JSON.stringify(init.body), signal: init.signal })
  } catch (error) {
    if (init.signal?.aborted) throw error
    throw new Refusal({ title: 'The server does not answer.', status: 0, code: 'unreachable', got: path, do: 'see whether `heptad serve` runs' })
  }
  if (answer.ok) return answer
  const found = await answer.json().catch(() => null)
  throw new Refusal(found?.title ? found : { title: `The server answered ${answer.status}.`, status: answer.status, code: 'http' })
}

export async function call<T>(path: string, init: Init = {}): Promise<T> {
  const found = await (await ask(path, init)).json()
  if (path === '/v1/session') csrf.token = String(found.csrf ?? '')
  return found as T
}

/** Post bytes as they are, for example a document. */
export async function send<T>(path: string, bytes: Blob): Promise<T> {
  const headers: Record<string, string> = { 'Content-Type': 'application/octet-stream' }
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`
  if (csrf.token) headers['Heptad-CSRF'] = csrf.token
  const answer = await fetch(path, { method: 'POST', headers, body: bytes })
  const found = await answer.json().catch(() => null)
  if (!answer.ok) throw new Refusal(found?.title ? found : { title: `The server answered ${answer.status}.`, status: answer.status, code: 'http' })
  return found as T
}

export function url(path: string, values: Values = {}): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) if (value !== undefined && value !== '') query.set(name, String(value))
  const text = query.toString()
  return `/v1/${path}${text ? `?${text}` : ''}`
}

/** The instant and the purpose that the whole page is read under; both stand in the URL. */
export function useCircumstances(): Circumstances {
  const { as_of, purpose } = useSearch({ strict: false }) as Circumstances
  return { as_of, purpose }
}

/** Read a path; `at` names the parameter that takes the instant of the top bar, where the path has one. */
export function useRead<T>(path: string, values: Values = {}, more: { at?: string; every?: number; enabled?: boolean } = {}): UseQueryResult<T, Refusal> {
  const { as_of, purpose } = useCircumstances()
  const full = url(path, more.at && as_of ? { ...values, [more.at]: as_of } : values)
  return useQuery<T, Refusal>({
    queryKey: [full, purpose ?? ''],
    queryFn: ({ signal }) => call<T>(full, { purpose, signal }),
    refetchInterval: more.every, enabled: more.enabled ?? true,
    placeholderData: before => before,
  })
}

/** The applications whose decisions this reader may read; all of them at once for a review only. */
export function useOwn(): { own: AppLine[]; all: boolean; first?: string; may: boolean; ready: boolean; me?: string } {
  const apps = useRead<{ apps: AppLine[] }>('apps'), session = useRead<Session>('session')
  const stated = session.data?.purposes.map(p => p.name) ?? [], all = stated.includes('audit') || stated.includes('legal')
  const own = apps.data?.apps.filter(a => all || stated.includes(a.purpose)) ?? []
  const ready = Boolean(apps.data && session.data)
  return { own, all, first: all ? undefined : (own.find(a => a.decisions > 0) ?? own[0])?.name, may: ready && (all || own.length > 0), ready, me: session.data?.id }
}
