// The models: which one decides, and which wait for a second person.
import { Link, useNavigate } from '@tanstack/react-router'
import { useCircumstances, useRead } from '../api/client'
import type { ModelLine } from '../api/types'
import { Card, Empty, Head, Scroll, State, useRows, When } from '../design/pieces'
import { Interval } from '../design/pictures'
import { said, t } from '../i18n'

export const stageTone = (stage: string) => ({ champion: 'good', candidate: 'warn', challenger: 'accent' })[stage] ?? ''

export default function Models() {
  const seen = useRead<{ models: ModelLine[] }>('models')
  const { as_of } = useCircumstances()
  return <><Head title={t('Models')}>{t('Which model decides, how good is it, and who let it?')}</Head><State q={seen} height={360}>{data => <List models={data.models.filter(m => !as_of || m.trained <= as_of)} of={data.models.length} />}</State></>
}

function List({ models, of }: { models: ModelLine[]; of: number }) {
  const go = useNavigate()
  const at = useRows(models, m => void go({ to: '/models/$number', params: { number: String(m.number) } }))
  const parts = (auc: string | null) => (auc?.match(/[\d.]+/g) ?? []).map(Number)
  return (
    <Card title={t('Models')} plain note={t('{n} of {total}', { n: models.length, total: of })}>
      {!models.length ? <Empty command="heptad train credit">{t('No model has been trained.')}</Empty> : (
        <Scroll label={t('Models')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Model')}</th><th>{t('Application')}</th><th>{t('Stage')}</th><th className="r">AUC</th><th>{t('with its 95 % interval')}</th><th>{t('Trained by')}</th><th>{t('Instant, UTC')}</th></tr></thead>
          <tbody>{models.map((m, i) => { const [v, low, high] = parts(m.auc); return <tr key={m.number} data-at={i === at}><td className="nowrap"><Link className="link strong" to="/models/$number" params={{ number: String(m.number) }}>{m.model}</Link></td><td>{said(m.app)}</td><td><span className={`badge ${stageTone(m.stage)}`}>{said(m.stage)}</span></td><td className="r strong">{v?.toFixed(3) ?? '–'}</td><td>{v !== undefined && <Interval value={v} low={low} high={high} from={0.5} />}</td><td>{m.trainer}</td><td className="ink2"><When at={m.trained} /></td></tr> })}</tbody></table></Scroll>
      )}
    </Card>
  )
}
