// One table: can I trust it today? Rows, schema, quality, lineage, versions, quarantine.
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { Link, useParams, useSearch } from '@tanstack/react-router'
import { Lock, RotateCcw, Wrench } from 'lucide-react'
import { lazy, Suspense, useCallback, useMemo, useState } from 'react'
import { call, useCircumstances, useRead, url } from '../api/client'
import { rows, type Sheet } from '../api/frames'
import type { ColumnProfile, Lineage, Plain, RefusedRow, Rows as FewRows, TableInfo, TableQuality, TableQuarantine } from '../api/types'
import Grid from '../blocks/grid'
import { Card, Empty, Head, Refused, Scroll, State, Tabs, useRows, useShortcuts, When } from '../design/pieces'
import { Share } from '../design/pictures'
import { Spark } from '../design/spark'
import { bytes, decimal, instant, int, money, percent, said, t } from '../i18n'
import { LineageGraph } from './graph'
import './table.css'

const Repair = lazy(() => import('./repair'))
const PAGE = 100, MORE = 10_000, AHEAD = 4_000

export default function TablePage() {
  const { table } = useParams({ strict: false }) as { table: string }
  const { tab = 'rows' } = useSearch({ strict: false }) as { tab?: string }
  const seen = useRead<TableInfo>(`tables/${encodeURIComponent(table)}`)
  const aside = useRead<TableQuarantine>(`tables/${encodeURIComponent(table)}/quarantine`, { limit: 25 })
  return (
    <State q={seen} height={560}>{data => (
      <>
        <Head title={data.table} aside={<dl className="facts"><div><dt>{t('Row versions')}</dt><dd>{int(data.rows)}</dd></div><div><dt>{t('Version')}</dt><dd>{data.version ?? '–'}</dd></div><div><dt>{t('Size')}</dt><dd>{bytes(data.size)}</dd></div></dl>}>{data.doc}</Head>
        <Tabs label={t('Views of the table')} at={tab} to={id => ({ tab: id === 'rows' ? undefined : id })} tabs={[
          { id: 'rows', name: t('Rows') }, { id: 'schema', name: t('Schema'), n: data.fields.length }, { id: 'quality', name: t('Quality') }, { id: 'lineage', name: t('Lineage') },
          { id: 'versions', name: t('Versions'), n: data.version === null ? 0 : data.version + 1 }, { id: 'quarantine', name: t('Quarantine'), n: aside.data ? int(aside.data.total) : undefined },
        ]} />
        {tab === 'schema' ? <Schema data={data} /> : tab === 'quality' ? <Quality table={table} /> : tab === 'lineage' ? <OfTable table={table} /> : tab === 'versions' ? <Versions data={data} /> : tab === 'quarantine' ? <Quarantine table={table} q={aside} /> : <Rows data={data} />}
      </>
    )}</State>
  )
}

/** Rows by the window: a hundred at first, then ten thousand at a time as one comes near the end of them. */
function Rows({ data }: { data: TableInfo }) {
  const { as_of, purpose } = useCircumstances()
  const pages = useInfiniteQuery({
    queryKey: ['rows', data.table, as_of, purpose], initialPageParam: '',
    queryFn: ({ pageParam, signal }) => part(url(`tables/${encodeURIComponent(data.table)}/rows`, { limit: pageParam ? MORE : PAGE, after: pageParam, t: as_of, k: as_of }), Boolean(pageParam), { purpose, signal }),
    getNextPageParam: last => last.after || undefined,
  })
  const parts = useMemo(() => pages.data?.pages ?? [], [pages.data])
  const count = parts.reduce((n, p) => n + p.n, 0)
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = pages
  const near = useCallback((last: number) => { if (hasNextPage && !isFetchingNextPage && last >= count - AHEAD) void fetchNextPage() }, [count, hasNextPage, isFetchingNextPage, fetchNextPage])
  if (pages.error) return <Refused error={pages.error} />
  if (pages.isPending) return <div className="wait" style={{ height: 480 }} />
  const amounts = parts[0]?.money ?? {}
  const names = Object.keys(parts[0]?.columns ?? {}).filter(n => !n.startsWith('_'))
  const numbers = new Set(names.filter(n => amounts[n] || typeof find(parts, 0, n) === 'number'))
  const masked = data.fields.some(f => /sealed|token/.test(f.is))
  return (
    <Card title={t('Rows')} plain note={<>{t('{n} read, in key order', { n: int(count) })}{hasNextPage ? ` ${t('(more as you scroll)')}` : ''}</>} aside={!purpose && masked && <span className="cap row" style={{ gap: 5 }}><Lock size={12} aria-hidden />{t('Personal values are masked: state a purpose to read them.')}</span>}>
      {!count ? <Empty command={`heptad load`}>{t('This table holds no rows yet. Bind a source to it and load.')}</Empty> : (
        <Grid label={t('Rows')} names={names} right={n => numbers.has(n)} count={count} near={near}
          cell={(row, n) => <Cell value={find(parts, row, n)} currency={amounts[n] ? String(find(parts, row, amounts[n]) ?? '') : ''} />} />
      )}
    </Card>
  )
}

/** A few rows as JSON, so that a small table needs no more; many as Arrow. */
async function part(path: string, many: boolean, init: { purpose?: string; signal?: AbortSignal }): Promise<Sheet> {
  if (many) return rows(path, init)
  const found = await call<FewRows>(path, init)
  const columns = Object.fromEntries(Object.keys(found.rows[0] ?? {}).map(n => [n, found.rows.map(r => r[n])]))
  return { n: found.rows.length, columns, money: found.money, after: found.after ?? '' }
}

function find(parts: Sheet[], row: number, name: string): Plain {
  let at = row
  for (const p of parts) { if (at < p.n) return p.columns[name]?.[at] ?? null; at -= p.n }
  return null
}

function Cell({ value, currency }: { value: Plain; currency: string }) {
  if (value === null || value === undefined) return <span className="ink3">–</span>
  if (value === '•••') return <span className="masked" title={t('Masked: state a purpose that opens it.')}>•••</span>
  if (typeof value === 'number') return <>{currency ? money(value, currency) : Number.isInteger(value) ? int(value) : decimal(value)}</>
  if (typeof value === 'boolean') return <>{value ? t('yes') : t('no')}</>
  if (/^\d{4}-\d\d-\d\dT.*Z$/.test(value)) return <span className="num">{instant(value)}</span>
  return <span className={/^(?=.*\d)[\w-]{7,}$/.test(value) ? 'mono' : ''}>{value.length > 60 ? `${value.slice(0, 60)}…` : value}</span>
}

function Schema({ data }: { data: TableInfo }) {
  return (
    <Card title={t('Schema')} plain note={<>{t('contract')} <span className="mono">{data.contract}</span></>}>
      <Scroll label={t('Schema')}>
        <table style={{ marginTop: 4 }}><thead><tr><th>{t('Field')}</th><th>{t('Type')}</th><th>{t('Unit')}</th><th>{t('Is')}</th><th>{t('Means')}</th></tr></thead>
          <tbody>{data.fields.map(f => <tr key={f.field}><td><Link className="link strong" to="/lineage" search={(before: Search) => ({ ...before, of: `${data.table}.${f.field}` })}>{f.field}</Link></td><td>{f.type}</td><td className="ink2">{f.unit || '–'}</td><td className="nowrap">{f.is ? f.is.split(', ').map(x => <span key={x} className={`badge ${/sealed|token/.test(x) ? 'accent' : ''}`} style={{ marginRight: 4 }}>{said(x)}</span>) : <span className="ink3">–</span>}</td><td className="ink2">{f.means}</td></tr>)}</tbody></table>
      </Scroll>
    </Card>
  )
}

function Quality({ table }: { table: string }) {
  const seen = useRead<TableQuality>(`tables/${table}/quality`, {}, { at: 't' })
  return (
    <State q={seen} height={420}>{data => (
      <div className="stack">
        {data.drifts.length > 0 && <Card title={t('Drifts')}><ul className="tl">{data.drifts.map((d, i) => <li key={i}><span className={`mk ${d.verdict === 'refused' ? 'bad' : 'warn'}`} /><div><b>{d.column || t('schema')}</b> <span className="ink2">{d.note}</span><div className="cap ink3"><When at={d.instant} />{d.psi !== null && <> · PSI {d.psi.toFixed(3)}</>}</div></div></li>)}</ul></Card>}
        <Card title={t('Profile of the last load')} plain note={data.columns[0] ? t('{n} rows; values as they are stored; distinct values and medians estimated from a sample where rows are many', { n: int(data.columns[0].count) }) : undefined}>
          {!data.columns.length ? <Empty command="heptad load">{t('Nothing has been profiled: no load has brought rows yet.')}</Empty> : (
            <Scroll label={t('Profile of the last load')}>
              <table style={{ marginTop: 4 }}><thead><tr><th>{t('Column')}</th><th className="r">{t('Missing')}</th><th>{t('Load by load')}</th><th className="r">{t('Distinct')}</th><th>{t('Spread')}</th><th className="r">{t('Smallest')}</th><th className="r">{t('Median')}</th><th className="r">{t('Largest')}</th></tr></thead>
                <tbody>{data.columns.map(c => <tr key={c.column}><td><Link className="link strong" to="/lineage" search={(before: Search) => ({ ...before, of: `${table}.${c.column}` })}>{c.column}</Link></td><td className="r">{c.missing ? percent(c.missing / (c.count || 1), 2) : '0'} <Share value={c.missing / (c.count || 1)} tone="var(--warn-fill)" /></td><td>{c.past.length > 1 ? <Spark data={c.past.map(p => p.missing)} w={72} h={20} tone="var(--ink-3)" /> : <span className="ink3 cap">{t('one load')}</span>}</td><td className="r">{c.distinct === null ? '–' : int(c.distinct)}</td><td><Shape c={c} /></td><td className="r">{end(c.smallest)}</td><td className="r">{end(c.quantiles?.[Math.floor(c.quantiles.length / 2)] ?? null)}</td><td className="r">{end(c.largest)}</td></tr>)}</tbody></table>
            </Scroll>
          )}
        </Card>
      </div>
    )}</State>
  )
}

const end = (v: Plain) => (v === null ? '–' : typeof v === 'number' ? (Math.abs(v) > 1e15 ? instant(new Date(v / 1000).toISOString()).slice(0, 10) : Number.isInteger(v) ? int(v) : decimal(v)) : String(v).slice(0, 24))

/** How a column's values spread: quantiles of numbers, shares of the commonest codes. */
function Shape({ c }: { c: ColumnProfile }) {
  if (c.personal) return <span className="cap ink3 row" style={{ gap: 5 }}><Lock size={12} aria-hidden />{t('personal: only counted')}</span>
  const numbers = (c.quantiles ?? []).filter((v): v is number => typeof v === 'number')
  if (c.top?.length) return <span className="cap ink2 nowrap">{c.top.slice(0, 3).map(([v, n]) => `${v} ${percent(n / c.top!.reduce((s, x) => s + x[1], 0), 0)}`).join(' · ')}</span>
  if (numbers.length > 2) {
    // Between equal steps of rank, the narrower the step the denser the values.
    const steps = numbers.slice(1).map((v, i) => 1 / Math.max(v - numbers[i], (numbers[numbers.length - 1] - numbers[0]) / 4000 || 1)), most = Math.max(...steps)
    return <span className="quantity" aria-hidden>{steps.map((s, i) => <i key={i} style={{ height: `${Math.max(4, Math.sqrt(s / most) * 100)}%` }} />)}</span>
  }
  return <span className="ink3">–</span>
}

function OfTable({ table }: { table: string }) {
  const seen = useRead<Lineage>(`lineage/${table}`, {}, { at: 't' })
  return <State q={seen} height={420}>{data => <LineageGraph data={data} />}</State>
}

function Versions({ data: all }: { data: TableInfo }) {
  const { as_of } = useCircumstances()
  const data = { ...all, versions: all.versions.filter(v => !as_of || v.when <= as_of) }
  return (
    <Card title={t('Versions')} plain note={t('the last {n}', { n: data.versions.length })}>
      {!data.versions.length ? <Empty command="heptad load">{t('Nothing is stored yet.')}</Empty> : (
        <Scroll label={t('Versions')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Version')}</th><th>{t('Instant, UTC')}</th><th className="r">{t('Load')}</th><th className="r">{t('Row versions')}</th><th className="r">{t('Added')}</th><th className="r">{t('Files')}</th><th className="r">{t('Size')}</th></tr></thead>
          <tbody>{data.versions.map((v, i) => { const older = data.versions[i + 1]; return <tr key={v.version}><td className="num strong">{v.version}</td><td className="ink2"><When at={v.when} /></td><td className="r">{v.load ?? t('upkeep')}</td><td className="r">{int(v.rows)}</td><td className="r">{older ? `+${int(v.rows - older.rows)}` : '–'}</td><td className="r">{v.files}</td><td className="r">{bytes(v.bytes)}</td></tr> })}</tbody></table></Scroll>
      )}
    </Card>
  )
}

function Quarantine({ table, q }: { table: string; q: { data?: TableQuarantine; error: unknown; isPending: boolean } }) {
  const client = useQueryClient()
  const again = useMutation<{ read: number; accepted: number; quarantined: number }, Error>({
    mutationFn: () => call(`/v1/tables/${table}/quarantine/retry`, { method: 'POST' }),
    onSuccess: () => void client.invalidateQueries(),
  })
  const [open, setOpen] = useState<RefusedRow | null>(null)
  const rows = q.data?.rows ?? [], at = useRows(rows, r => { if (r.cells.length) setOpen(r) })
  useShortcuts({ c: () => again.mutate() })
  return (
    <State q={q} height={420}>{data => !data.total ? <Card title={t('Quarantine')}><Empty command={`heptad quarantine list`}>{t('No row of this table waits. Rows that fail a check are set aside here with their reason.')}</Empty></Card> : (
      <div className="stack">
        <Card title={t('Why rows wait')} note={t('{n} rows', { n: int(data.total) })} aside={<button className="btn" disabled={again.isPending} onClick={() => again.mutate()}><RotateCcw size={14} aria-hidden />{again.isPending ? t('Checking…') : t('Check again')} <kbd aria-hidden>C</kbd></button>}>
          {again.error && <Refused error={again.error} />}
          {again.data && <p role="status" style={{ marginBottom: 8 }}>{t('{read} rows were checked again: {accepted} are stored now, {left} still wait.', { read: int(again.data.read), accepted: int(again.data.accepted), left: int(again.data.quarantined) })}</p>}
          <ul style={{ display: 'grid', gap: 6 }}>{data.reasons.map(r => <li key={r.reason + r.field} className="row"><span className="strong" style={{ width: 170 }}>{r.field || t('the record')} <span className="ink3">{said(r.reason)}</span></span><Share value={r.rows / data.reasons[0].rows} tone="var(--warn-fill)" /><span className="num ink2">{int(r.rows)}</span></li>)}</ul>
        </Card>
        <Card title={t('Rows set aside')} plain note={t('{n} of {total}', { n: data.rows.length, total: int(data.total) })}>
          <Scroll label={t('Rows set aside')}><table className="rows-top" style={{ marginTop: 4 }}><thead><tr><th>{t('Reason')}</th><th>{t('Place')}</th><th>{t('What was read')}</th><th><span className="vh">{t('Repair')}</span></th></tr></thead>
            <tbody>{data.rows.map((r, i) => <tr key={i} data-at={i === at}><td style={{ minWidth: 200 }}>{r.sentence}<div className="cap ink3">{r.field} {r.reason}</div></td><td className="nowrap">{r.source}<div className="cap ink3 mono">{r.file}{r.file && ':'}{r.line}</div></td><td className="mono ink2 wraps" style={{ minWidth: 320 }}>{raw(r.raw)}</td><td className="right">{r.cells.length > 0 && <button className="ctl" onClick={() => setOpen(r)} aria-label={t('Repair row {n}', { n: i + 1 })}><Wrench size={13} aria-hidden />{t('Repair')}</button>}</td></tr>)}</tbody></table></Scroll>
        </Card>
        <Suspense fallback={null}>{open && <Repair table={table} row={open} close={() => setOpen(null)} done={() => { setOpen(null); void client.invalidateQueries() }} />}</Suspense>
      </div>
    )}</State>
  )
}

const raw = (text: string | null) => {
  if (!text) return '–'
  try { return Object.entries(JSON.parse(text) as Record<string, unknown>).filter(([, v]) => v !== null && v !== '').map(([n, v]) => `${n}=${String(v)}`).join('  ') } catch { return text }
}
