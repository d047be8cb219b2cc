// The catalogue of tables: those that hold rows first.
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useRead } from '../api/client'
import type { TableLine } from '../api/types'
import { Card, Empty, Head, Scroll, State, useRows } from '../design/pieces'
import { bytes, int, said, t } from '../i18n'

export default function Tables() {
  const seen = useRead<{ tables: TableLine[] }>('tables')
  const { q } = useSearch({ strict: false }) as { q?: string }
  const go = useNavigate()
  return (
    <>
      <Head title={t('Tables')}>{t('What data is there, and where does it come from?')}</Head>
      <div className="filters"><label><span className="vh">{t('Filter')}</span><input className="field" style={{ height: 28, width: 240 }} placeholder={t('Filter by name')} value={q ?? ''} onChange={e => void go({ to: '.', search: (before: Search) => ({ ...before, q: e.target.value || undefined }), replace: true })} /></label></div>
      <State q={seen} height={480}>{data => <List tables={data.tables.filter(x => x.table.toLowerCase().includes((q ?? '').toLowerCase()))} of={data.tables.length} />}</State>
    </>
  )
}

function List({ tables, of }: { tables: TableLine[]; of: number }) {
  const go = useNavigate()
  const at = useRows(tables, x => void go({ to: '/tables/$table', params: { table: x.table } }))
  return (
    <Card title={t('Tables')} plain note={t('{n} of {total}', { n: tables.length, total: of })}>
      {!tables.length ? <Empty command="heptad tables">{t('No table has this name.')}</Empty> : (
        <Scroll label={t('Tables')}>
          <table style={{ marginTop: 4 }}>
            <thead><tr><th>{t('Table')}</th><th>{t('Kind')}</th><th className="r">{t('Row versions')}</th><th className="r">{t('Version')}</th><th className="r">{t('Size')}</th><th className="r">{t('Sources')}</th><th>{t('What one row is')}</th></tr></thead>
            <tbody>{tables.map((x, i) => <tr key={x.table} data-at={i === at}><td><Link className="link strong" to="/tables/$table" params={{ table: x.table }}>{x.table}</Link></td><td className="ink2">{said(x.kind)}</td><td className="r">{x.rows ? int(x.rows) : <span className="ink3">–</span>}</td><td className="r">{x.version ?? <span className="ink3">–</span>}</td><td className="r">{x.bytes ? bytes(x.bytes) : <span className="ink3">–</span>}</td><td className="r">{x.sources || <span className="ink3">–</span>}</td><td className="ink2"><div className="why">{x.what}</div></td></tr>)}</tbody>
          </table>
        </Scroll>
      )}
    </Card>
  )
}
