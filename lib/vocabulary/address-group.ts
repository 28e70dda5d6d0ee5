/**
 * Whom an address counts as: an IPv4 address is one client, in whatever form it stands. Of IPv6 whoever has one address has
 * the 2^64 of its network, so they count together.
 *
 * @param address as the system writes it, without a port
 */
export function addressGroup(address: string): string {
  if (!address.includes(':')) return address
  const [plain = ''] = address.split('%')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1]
  if (mapped !== undefined) return mapped
  const [head = '', tail] = plain.split('::')
  const before = head === '' ? [] : head.split(':')
  const behind = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - before.length - behind.length
  const parts = [...before, ...Array.from({ length: Math.max(0, zeros) }, () => '0'), ...behind]
  return `${parts.slice(0, 4).join(':')}::/64`
}
