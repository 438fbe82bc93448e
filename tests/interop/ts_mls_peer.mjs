// npm ts-mls as a peer: the same JSON lines as tests/interop/mls_peer.py. HOTLINE_TS_MLS names the folder that holds
// node_modules (python -m tests.interop.install_peers makes one).
import { createInterface } from "node:readline"
import { pathToFileURL } from "node:url"

const mls = await import(pathToFileURL(process.env.HOTLINE_TS_MLS + "/node_modules/ts-mls/dist/src/index.js"))
const names = { 1: "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519", 3: "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519" }
const hex = (bytes) => Buffer.from(bytes).toString("hex")
const raw = (text) => new Uint8Array(Buffer.from(text ?? "", "hex"))
const read = (text) => mls.decodeMlsMessage(raw(text), 0)[0]
const write = (message) => hex(mls.encodeMlsMessage({ version: "mls10", ...message }))
let suite, own, state

const add = (text) => ({ proposalType: "add", add: { keyPackage: read(text).keyPackage } })
const remove = (leaf) => ({ proposalType: "remove", remove: { removed: leaf } })

const operations = {
  async init(r) {
    suite = await mls.getCiphersuiteImpl(mls.getCiphersuiteFromName(names[r.suite]))
    const credential = { credentialType: "basic", identity: new TextEncoder().encode(r.name) }
    const now = BigInt(Math.floor(Date.now() / 1000))
    const lifetime = r.forever ? mls.defaultLifetime : { notBefore: now - 3600n, notAfter: now + 86400n }
    own = await mls.generateKeyPackage(credential, mls.defaultCapabilities(), lifetime, [], suite)
    return { key_package: write({ wireformat: "mls_key_package", keyPackage: own.publicPackage }) }
  },
  async create(r) {
    state = await mls.createGroup(raw(r.group_id), own.publicPackage, own.privatePackage, [], suite)
    return {}
  },
  async commit(r) {
    const extraProposals = [...(r.remove ?? []).map(remove), ...(r.add ?? []).map(add)]
    const made = await mls.createCommit(
      { state, cipherSuite: suite },
      { extraProposals, wireAsPublicMessage: r.pub ?? true, ratchetTreeExtension: true, authenticatedData: raw(r.aad) },
    )
    state = made.newState
    const welcome = made.welcome ? write({ wireformat: "mls_welcome", welcome: made.welcome }) : null
    return { commit: write(made.commit), welcome }
  },
  async propose(r) {
    const proposal = r.add !== undefined ? add(r.add) : remove(r.remove)
    const made = await mls.createProposal(state, r.pub ?? true, proposal, suite)
    state = made.newState
    return { message: write(made.message) }
  },
  async join(r) {
    const { welcome } = read(r.welcome)
    state = await mls.joinGroup(welcome, own.publicPackage, own.privatePackage, mls.emptyPskIndex, suite)
    return {}
  },
  async process(r) {
    const before = state.groupContext.epoch
    const message = read(r.message)
    const done = await mls.processMessage(message, state, mls.emptyPskIndex, mls.acceptAll, suite)
    state = done.newState
    if (done.kind === "applicationMessage") return { kind: done.kind, data: hex(done.message) }
    const removed = state.groupActiveState.kind === "removedFromGroup"
    return removed || state.groupContext.epoch !== before ? { kind: "commit", removed } : { kind: "proposal" }
  },
  async encrypt(r) {
    const made = await mls.createApplicationMessage(state, raw(r.data), suite, raw(r.aad))
    state = made.newState
    return { message: write({ wireformat: "mls_private_message", privateMessage: made.privateMessage }) }
  },
  async export(r) {
    return { secret: hex(await mls.mlsExporter(state.keySchedule.exporterSecret, r.label, raw(r.context), r.length, suite)) }
  },
  async state() {
    const leaves = state.ratchetTree.filter((node) => node?.nodeType === "leaf")
    return {
      epoch: Number(state.groupContext.epoch),
      epoch_authenticator: hex(state.keySchedule.epochAuthenticator),
      tree_hash: hex(state.groupContext.treeHash),
      members: leaves.map((node) => new TextDecoder().decode(node.leaf.credential.identity)),
    }
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  let answer
  try {
    answer = { id: request.id, ok: true, ...(await operations[request.op](request)) }
  } catch (error) {
    answer = { id: request.id, ok: false, error: `${error.constructor.name}: ${error.message}` }
  }
  console.log(JSON.stringify(answer))
}
