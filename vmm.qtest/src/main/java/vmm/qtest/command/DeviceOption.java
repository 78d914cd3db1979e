package vmm.qtest.command;

import java.util.Map;

/**
 * What {@code -device} asks for.
 *
 * @param driver QEMU's name of the device
 * @param properties what it is built with, those of {@code -global} included; without those that say where it sits
 * @param place where it sits, as {@code addr} says: device, or device.function, hexadecimal; empty for anywhere
 */
public record DeviceOption(String driver, Map<String, String> properties, String place) {}
