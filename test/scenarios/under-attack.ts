import { underAttack } from './kit/attack.ts'
import type { Scenario } from './kit/scenario.ts'

export const garbageFlood: Scenario = {
  name: 'garbage-flood',
  summary:
    'a quarter of a core throws garbage at the UDP and TCP ports: others keep nine tenths of what they have while it goes elsewhere',
  seconds: 60,
  run: (lab) => underAttack(lab, 'garbage'),
}

export const slowloris: Scenario = {
  name: 'slowloris',
  summary:
    'a thousand connections send heads, bodies and greetings a byte at a time, or take no answers: others keep nine tenths of their throughput',
  seconds: 60,
  run: (lab) => underAttack(lab, 'slowloris'),
}

export const oversize: Scenario = {
  name: 'oversize',
  summary:
    'everything is longer than it may be, as fast as a quarter of a core sends it: others keep nine tenths of their throughput, and memory is bounded',
  seconds: 60,
  run: (lab) => underAttack(lab, 'oversize'),
}
