// What something is made from and what breaks if it changes.
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { useRead } from '../api/client'
import type { AppLine, Lineage, TableLine } from '../api/types'
import { Card, Head, State } from '../design/pieces'
import { said, t } from '../i18n'
import { LineageGraph } from './graph'

export default function LineagePage() {
  const { of } = useSearch({ strict: false }) as { of?: string }
  const go = useNavigate()
  const [text, setText] = useState(of ?? '')
  return (
    <>
      <Head title={t('Lineage')}>{t('What breaks if this changes?')}</Head>
      <form className="filters" onSubmit={e => { e.preventDefault(); void go({ to: '.', search: (before: Search) => ({ ...before, of: text.trim() || undefined }) }) }}>
        <label><span className="vh">{t('Table, column, feature, model or application')}</span><input className="field" style={{ height: 28, width: 280 }} placeholder="Payment.amount" value={text} onChange={e => setText(e.target.value)} /></label><button className="ctl" type="submit">{t('Show')}</button>
      </form>
      {of ? <Of node={of} /> : <Begin />}
    </>
  )
}

function Of({ node }: { node: string }) {
  const seen = useRead<Lineage>(`lineage/${node.split('/').map(encodeURIComponent).join('/')}`, {}, { at: 't' })
  return <State q={seen} height={480}>{data => <LineageGraph data={data} />}</State>
}

function Begin() {
  const apps = useRead<{ apps: AppLine[] }>('apps')
  const tables = useRead<{ tables: TableLine[] }>('tables')
  const to = (of: string) => (before: Record<string, string | undefined>) => ({ ...before, of })
  return (
    <Card title={t('Begin with')} note={t('an application shows all that it rests on')}>
      <div className="row wrap">{apps.data?.apps.map(a => <Link key={a.name} className="btn" to="/lineage" search={to(`app:${a.name}`)}>{said(a.title)}</Link>)}{tables.data?.tables.filter(x => x.rows).map(x => <Link key={x.table} className="ctl" to="/lineage" search={to(x.table)}>{x.table}</Link>)}</div>
    </Card>
  )
}
