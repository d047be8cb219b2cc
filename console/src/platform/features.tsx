// The features of all applications, with their definitions in words.
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useRead } from '../api/client'
import type { FeatureLine } from '../api/types'
import { Card, Empty, Head, Scroll, State, useRows } from '../design/pieces'
import { said, t } from '../i18n'

export default function Features() {
  const seen = useRead<{ features: FeatureLine[] }>('features')
  const { q } = useSearch({ strict: false }) as { q?: string }
  const go = useNavigate()
  return (
    <>
      <Head title={t('Features')}>{t('One definition each, read the same everywhere.')}</Head>
      <div className="filters"><label><span className="vh">{t('Filter')}</span><input className="field" style={{ height: 28, width: 240 }} placeholder={t('Filter by name or definition')} value={q ?? ''} onChange={e => void go({ to: '.', search: (before: Search) => ({ ...before, q: e.target.value || undefined }), replace: true })} /></label></div>
      <State q={seen} height={480}>{data => <List of={data.features.length} features={data.features.filter(f => `${f.name} ${f.what}`.toLowerCase().includes((q ?? '').toLowerCase()))} />}</State>
    </>
  )
}

function List({ features, of }: { features: FeatureLine[]; of: number }) {
  const go = useNavigate()
  const at = useRows(features, f => void go({ to: '/features/$name', params: { name: f.name } }))
  return (
    <Card title={t('Features')} plain note={t('{n} of {total}', { n: features.length, total: of })}>
      {!features.length ? <Empty command="heptad features">{t('No feature fits.')}</Empty> : (
        <Scroll label={t('Features')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Feature')}</th><th>{t('Of')}</th><th>{t('Unit')}</th><th>{t('Definition')}</th><th>{t('Version')}</th></tr></thead>
          <tbody>{features.map((f, i) => <tr key={f.name} data-at={i === at}><td className="nowrap"><Link className="link strong" to="/features/$name" params={{ name: f.name }}>{f.name}</Link></td><td>{said(f.by)}</td><td className="ink2 nowrap">{f.unit}</td><td className="ink2"><div className="why" title={f.what}>{f.what}</div></td><td className="mono ink3">{f.version.slice(0, 8)}</td></tr>)}</tbody></table></Scroll>
      )}
    </Card>
  )
}
