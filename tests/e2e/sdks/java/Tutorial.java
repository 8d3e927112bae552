// The official SDK for Java: a message from iot-service-client over AMQP to iot-device-client over MQTT.
// Tutorial.java HUB_CONNECTION_STRING     prints what the device received

import com.microsoft.azure.sdk.iot.device.DeviceClient;
import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.IotHubMessageResult;
import com.microsoft.azure.sdk.iot.service.auth.AuthenticationType;
import com.microsoft.azure.sdk.iot.service.messaging.IotHubServiceClientProtocol;
import com.microsoft.azure.sdk.iot.service.messaging.Message;
import com.microsoft.azure.sdk.iot.service.messaging.MessagingClient;
import com.microsoft.azure.sdk.iot.service.registry.Device;
import com.microsoft.azure.sdk.iot.service.registry.RegistryClient;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

public class Tutorial {
  public static void main(String[] arguments) throws Exception {
    String hub = arguments[0];
    Device identity = new RegistryClient(hub).addDevice(new Device("java", AuthenticationType.SAS));

    CountDownLatch received = new CountDownLatch(1);
    DeviceClient device = new DeviceClient(
        hub.split(";")[0] + ";DeviceId=java;SharedAccessKey=" + identity.getPrimaryKey(), IotHubClientProtocol.MQTT);
    device.setMessageCallback((message, context) -> {
      System.out.println("received " + message.getMessageId() + " "
          + new String(message.getBytes(), StandardCharsets.UTF_8) + " " + message.getProperty("level"));
      received.countDown();
      return IotHubMessageResult.COMPLETE;
    }, null);
    device.open(false);
    device.sendEvent(new com.microsoft.azure.sdk.iot.device.Message("telemetry"), 20_000);  // so it has subscribed

    MessagingClient service = new MessagingClient(hub, IotHubServiceClientProtocol.AMQPS);
    service.open();
    Message message = new Message("from Java");
    message.setMessageId("m1");
    message.getProperties().put("level", "storm");
    service.send("java", message);
    if (!received.await(20, TimeUnit.SECONDS)) throw new Exception("the message did not come");
    service.close();
    device.close();
  }
}
