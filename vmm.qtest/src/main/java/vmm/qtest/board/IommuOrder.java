package vmm.qtest.board;

import iommufd.api.hardware.IommuModel;
import java.util.Map;

/**
 * An IOMMU that a board shall have.
 *
 * @param name for people
 * @param model who makes it
 * @param properties what it is built with, as {@link IommuModel#create} takes them
 */
public record IommuOrder(String name, IommuModel model, Map<String, String> properties) {}
