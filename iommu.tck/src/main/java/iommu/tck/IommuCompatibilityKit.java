package iommu.tck;

import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;

/** The whole contract of a backend; extend it in the backend's test folder. */
public abstract class IommuCompatibilityKit {
    /** The backend that has to pass. */
    protected abstract BackendUnderTest backend();

    @Nested
    @DisplayName("map, unmap and translate")
    class Mapping extends MappingContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("bytes moved by DMA")
    class Transfer extends TransferContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("memory behind the physical window")
    class Far extends FarMemoryContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("refused requests and fault records")
    class Permission extends PermissionContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("endpoints, PASIDs and domains are kept apart")
    class Isolation extends IsolationContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("attach over attach, and block")
    class Replacement extends ReplacementContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("nothing is reached after unmap")
    class Invalidation extends InvalidationContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("which pages DMA wrote")
    class DirtyTracking extends DirtyTrackingContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("entries change their size under DMA")
    class Resizing extends ResizingContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("errors leave everything as it was")
    class Refusal extends RefusalContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("out of memory at every allocation")
    class Exhaustion extends ExhaustionContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("ports, endpoints and tables end cleanly")
    class Lifecycle extends LifecycleContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("requests that wait for absent pages")
    class PageRequests extends PageRequestContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("hardware is exchanged under DMA")
    class Swap extends SwapContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("hot paths allocate nothing")
    class QuietPath extends QuietPathContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("wild addresses")
    class WildAddress extends WildAddressContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }

    @Nested
    @DisplayName("random sequences against a model")
    class RandomSequence extends RandomSequenceContract {
        @Override
        BackendUnderTest backend() {
            return IommuCompatibilityKit.this.backend();
        }
    }
}
