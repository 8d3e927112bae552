// The official SDK, as published, behind a few helpers that only save typing.
import iotAmqp from 'azure-iot-device-amqp';
import iotCommon from 'azure-iot-common';
import iotDevice from 'azure-iot-device';
import iotHttp from 'azure-iot-device-http';
import iotMqtt from 'azure-iot-device-mqtt';
import hub from 'azure-iothub';
import hubAmqp from 'azure-iothub/dist/amqp.js';
import hubAmqpWs from 'azure-iothub/dist/amqp_ws.js';

import { HUB } from './emulator.mjs';
import { Inbox, until, within } from './wait.mjs';

export const { Message } = iotCommon;

// The five device transports; a device on WebSocket is paired with a back end on WebSocket.
export const TRANSPORTS = {
  'mqtt': { device: iotMqtt.Mqtt, service: hubAmqp.Amqp },
  'mqtt-ws': { device: iotMqtt.MqttWs, service: hubAmqpWs.AmqpWs },
  'amqp': { device: iotAmqp.Amqp, service: hubAmqp.Amqp },
  'amqp-ws': { device: iotAmqp.AmqpWs, service: hubAmqpWs.AmqpWs },
  'http': { device: iotHttp.Http, service: hubAmqp.Amqp },
};

export const registry = (connectionString = HUB) => hub.Registry.fromConnectionString(connectionString);

export const deviceConnectionString = (identity) =>
  `HostName=localhost;DeviceId=${identity.deviceId};SharedAccessKey=${identity.authentication.symmetricKey.primaryKey}`;

export const moduleConnectionString = (identity) =>
  `${deviceConnectionString(identity)};ModuleId=${identity.moduleId}`;

let created = 0;

// A device identity of its own for each test; answers what the registry answered.
export async function createDevice(name = 'device', more = {}) {
  const { responseBody } = await registry().create({ deviceId: `${name}-${++created}`, ...more });
  return responseBody;
}

export async function createModule(deviceId, moduleId, more = {}) {
  const { responseBody } = await registry().addModule({ deviceId, moduleId, ...more });
  return responseBody;
}

export class Device {
  inbox = new Inbox();
  errors = [];

  constructor(client, transport) {
    this.client = client;
    this.transport = transport;
    // A refusal shows at once instead of being retried for minutes.
    client.setRetryPolicy(new iotCommon.NoRetry());
    client.on('error', (error) => this.errors.push(error));
    client.on('disconnect', () => { this.disconnected = true; });
  }

  static of(identity, transport) {
    return Device.fromConnectionString(deviceConnectionString(identity), transport);
  }

  // A module's client has all of a device's but the cloud-to-device messages.
  static ofModule(identity, transport) {
    return new Device(
      iotDevice.ModuleClient.fromConnectionString(moduleConnectionString(identity), TRANSPORTS[transport].device), transport);
  }

  static fromConnectionString(connectionString, transport) {
    return new Device(
      iotDevice.Client.fromConnectionString(connectionString, TRANSPORTS[transport].device), transport);
  }

  static fromSharedAccessSignature(token, transport) {
    return new Device(
      iotDevice.Client.fromSharedAccessSignature(token, TRANSPORTS[transport].device), transport);
  }

  // Connects; with a listener it also receives, and is subscribed when this resolves.
  async open(how = {}) {
    try {
      return await this.#open(how);
    } catch (error) {
      await this.close(); // a refused client keeps its timers otherwise
      throw error;
    }
  }

  async #open({ listen = true, complete = true, listenFirst = false }) {
    if (this.transport === 'http') await this.client.setOptions({ http: { receivePolicy: { interval: 0.1 } } });
    // A listener connects by itself. Only one that is there before the connection sees what a
    // stored MQTT session delivers right after it.
    if (listenFirst) this.#listen(complete);
    await within(this.client.open(), `connecting over ${this.transport}`, 20_000);
    if (!listen) return this;
    if (!listenFirst) this.#listen(complete);
    // The SUBSCRIBE or attach is on its way; what is answered after it proves that it was seen.
    await this.telemetry('subscribed');
    return this;
  }

  #listen(complete) {
    this.client.on('message', (message) => {
      if (complete) this.client.complete(message).catch((error) => this.errors.push(error));
      this.inbox.put(message);
    });
  }

  telemetry(body, properties = {}) {
    const message = body instanceof Message ? body : new Message(body);
    for (const [key, value] of Object.entries(properties)) message.properties.add(key, value);
    return within(this.client.sendEvent(message), `telemetry over ${this.transport}`, 15_000);
  }

  async close() {
    this.client.removeAllListeners('message');
    // After a refusal this SDK may wait for answers on a connection it has ended itself.
    await within(this.client.close(), `closing ${this.transport}`, 2_000).catch(() => {});
  }
}

// The back end: sends, and collects feedback records one by one.
export class BackEnd {
  records = new Inbox();
  batches = 0;

  static async open({ transport = hubAmqp.Amqp, connectionString = HUB, feedback = true } = {}) {
    const backEnd = new BackEnd();
    backEnd.client = hub.Client.fromConnectionString(connectionString, transport);
    backEnd.client.setRetryPolicy(new iotCommon.NoRetry());
    await within(backEnd.client.open(), 'opening the service client', 20_000);
    if (feedback) {
      const opened = await within(backEnd.client.getFeedbackReceiver(), 'the feedback receiver', 15_000);
      backEnd.receiver = opened.result ?? opened;
      backEnd.receiver.on('message', (message) => {
        ++backEnd.batches;
        for (const record of JSON.parse(message.data.toString())) backEnd.records.put(record);
        backEnd.receiver.complete(message).catch(() => {});
      });
      backEnd.receiver.on('error', () => {});
    }
    return backEnd;
  }

  send(deviceId, body, { messageId, ack, properties = {}, ...system } = {}) {
    const message = new Message(body);
    if (messageId !== undefined) message.messageId = messageId;
    if (ack !== undefined) message.ack = ack;
    Object.assign(message, system);
    for (const [key, value] of Object.entries(properties)) message.properties.add(key, value);
    return within(this.client.send(deviceId, message), 'the send', 15_000);
  }

  record(deviceId, messageId) {
    return this.records.next(
      (record) => record.deviceId === deviceId && record.originalMessageId === messageId,
      `feedback for ${messageId} of ${deviceId}`, 15_000);
  }

  close() {
    return within(this.client.close(), 'closing the service client', 15_000).catch(() => {});
  }
}

// Application properties of a received message as a plain object, without what the transport adds.
// The HTTP transport of this SDK keeps whole header names as keys.
export function properties(message) {
  const found = {};
  for (let i = 0; i < message.properties.count(); ++i) {
    const { key, value } = message.properties.getItem(i);
    if (key.startsWith('iothub-app-')) {
      found[key.slice('iothub-app-'.length)] = Buffer.from(value, 'latin1').toString('utf8');
    } else if (!key.startsWith('iothub-')) {
      found[key] = value;
    }
  }
  return found;
}

// The error a promise ends with; a promise that does not end with one fails the test.
export async function refused(promise, what = 'the call') {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`${what} was accepted, which it should not be`);
}

export { until, within };
