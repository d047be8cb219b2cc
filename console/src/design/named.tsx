// How people call what an id names, beside the id, as far as the purpose of the reader opens it.
import { useMutation } from '@tanstack/react-query'
import { call, url, useCircumstances, useRead } from '../api/client'
import type { Session } from '../api/types'
import { said, t } from '../i18n'

const MOST = 200
export type Names = Record<string, string>
type Told = { names: Names; hidden: string[]; opens: Record<string, string[]> }

/** Ask how some rows are called, `Customer:42`; persons only once a purpose is stated. */
export function useNames(ids: (string | undefined)[]): Names {
  const { as_of, purpose } = useCircumstances()
  const of = [...new Set(ids)].filter((id): id is string => Boolean(id && (purpose || !id.startsWith('Customer:')))).slice(0, MOST)
  const query = [...of.map(id => `of=${encodeURIComponent(id)}`), ...(as_of ? [`t=${encodeURIComponent(as_of)}`] : [])].join('&')
  return useRead<{ names: Names }>(`names?${query}`, {}, { enabled: of.length > 0 }).data?.names ?? {}
}

/** A name, where it is known; the id stands beside it. */
export function Called({ name }: { name?: string }) {
  return name ? <span className="called">{name}</span> : null
}

/** The same for one id by itself; a hidden name can be read for a purpose that opens it, and only that is read for it. */
export function Name({ of }: { of?: string }) {
  const { as_of } = useCircumstances()
  const path = url('names', { of, t: as_of })
  const seen = useRead<Told>(path.slice('/v1/'.length), {}, { enabled: Boolean(of) }), session = useRead<Session>('session')
  const why = seen.data?.opens[of?.split(':')[0] ?? '']?.find(p => session.data?.purposes.some(own => own.name === p))
  const ask = useMutation<Told, Error>({ mutationFn: () => call(path, { purpose: why }) })
  const name = (ask.data ?? seen.data)?.names[of ?? '']
  if (name || !why || ask.data || !seen.data?.hidden.length) return <Called name={name} />
  return <button className="ctl tell" disabled={ask.isPending} onClick={() => ask.mutate()}>{t('Show the name, for {purpose}', { purpose: said(why) })}</button>
}
