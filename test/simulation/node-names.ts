/** Of machines, and of the nodes on them. */
export const nodeNames: readonly string[] = 'ada bob cyd dan eve fay gil hal ivy jan kim'.split(' ')
