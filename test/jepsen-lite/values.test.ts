import t from 'tap'
import { valueWith, vidOf } from '../../jepsen-lite/values.ts'

t.test('a value names the write it comes from', async (t) => {
  t.equal(vidOf(valueWith('s3-17', 'set-strict-4', 0)), 's3-17')
  t.equal(vidOf(valueWith('s3-17', 'set-strict-4', 200)), 's3-17')
})

t.test('a damaged value comes from no write, wherever the damage is', async (t) => {
  const value = valueWith('s3-17', 'k', 20)
  for (let at = 0; at < value.length; at += 1) {
    const flipped = `${value.slice(0, at)}${String.fromCharCode(value.charCodeAt(at) ^ 1)}${value.slice(at + 1)}`
    t.match(vidOf(flipped), 'damaged: ', `byte ${at} flipped`)
    t.match(vidOf(value.slice(0, at)), 'damaged: ', `cut after ${at} bytes`)
  }
  t.match(vidOf(`${value}.`), 'damaged: ')
})
