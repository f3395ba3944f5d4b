import { bytes, counted, number } from '@sess/core/inspect'
import type { Hour } from '../activity.ts'
import type { Count } from '../catalogue.ts'
import { type Html, html, type Piece } from '../html.ts'
import { AGES, type Sample, SIZES } from '../sample.ts'
import { barsTable, hoursChart } from './charts.ts'
import { page, type Site, searchForm } from './layout.ts'
import { time } from './time.ts'

export interface Overview {
  sample: Sample | undefined
  /** Live and expired records, if the store counts them. */
  counts: { live: Count; expired: Count } | undefined
  /** The store removes expired sessions without being asked. */
  expiresItself: boolean
  hours: readonly Hour[]
  since: number
}

export function overviewPage(site: Site, { sample, counts, expiresItself, hours, since }: Overview): Html {
  const hour = hours.at(-1)
  const live = counts?.live ?? (sample && { count: sample.examined, isAtLeast: !sample.isComplete })
  return page(site, {
    title: 'Overview',
    tab: 'overview',
    body: html`<h1>Overview</h1>
${searchForm(site)}
<dl class="tiles">
${tile('Live sessions', live ? written(live) : 'unknown', live ? undefined : 'This store cannot list its sessions.')}
${site.live && tile('Created this hour', number(hour?.created ?? 0), 'by this process')}
${site.live && tile('Ended this hour', number(hour?.ended ?? 0), 'logged out, or ended by hand')}
${expiredTile(counts?.expired, expiresItself)}
</dl>
${
  site.live &&
  html`<section class="card"><h2>By the hour</h2>
<p class="about">What this process did, since it began ${time(since, site.now)}. Sessions that expire are not in it.</p>
${hoursChart(hours)}</section>`
}
${sample && samples(site, sample)}`,
  })
}

function samples({ basePath }: Site, sample: Sample): Html {
  const about = sample.isComplete
    ? undefined
    : html`<p class="about">Of the first ${counted(sample.examined, 'session')} that the store gave. The rest was not looked at.</p>`
  const mean = sample.examined === 0 ? 0 : Math.round(sample.bytes / sample.examined)
  const ages = AGES.map(([name], at) => [name, sample.ages[at]!] as const)
  const sizes = SIZES.map(([name], at) => [name, sample.sizes[at]!] as const)
  const subjects = sample.subjects.map(
    ([subject, count]) =>
      html`<li><a href="${basePath}/list?by=subject&amp;q=${encodeURIComponent(subject)}"><bdi>${subject.length > 60 ? `${subject.slice(0, 60)}…` : subject}</bdi></a> <span class="muted">${counted(count, 'session')}</span></li>`,
  )
  return html`<div class="pair">
<section class="card"><h2>By age</h2>${about}${barsTable('Created', [...ages, ...(sample.unknownAge > 0 ? ([['unknown', sample.unknownAge]] as const) : [])])}
${sample.unknownAge > 0 && html`<p class="about">It is known when a session began if the app sets a subject or <code>absoluteAge</code>.</p>`}</section>
<section class="card"><h2>By size</h2>${about}${barsTable('Payload', sizes)}
<p class="about">${bytes(mean)} on average, ${bytes(sample.largest)} at the most.${sample.unreadable > 0 && ` ${counted(sample.unreadable, 'session')} cannot be decoded.`}</p></section>
</div>
${subjects.length > 0 && html`<section class="card"><h2>Logged in most often</h2>${about}<ol class="subjects">${subjects}</ol></section>`}`
}

function expiredTile(expired: Count | undefined, expiresItself: boolean): Html {
  const name = 'Expired, waiting'
  if (expiresItself) return tile(name, 'none', 'The store removes them itself.')
  if (expired === undefined) return tile(name, 'not counted', 'This store does not count them.')
  return tile(name, written(expired), 'until expired sessions are cleared')
}

function tile(name: string, value: string, about: Piece): Html {
  return html`<div><dt>${name}</dt><dd><b>${value}</b>${about && html`<span class="muted">${about}</span>`}</dd></div>`
}

function written({ count, isAtLeast }: Count): string {
  return isAtLeast ? `at least ${number(count)}` : number(count)
}
