package vmm.devices.nvme;

import static vmm.devices.nvme.NvmeStatus.SUCCESS;
import static vmm.devices.nvme.SubmissionEntry.LE_LONG;
import static vmm.devices.nvme.SubmissionEntry.commandWord;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Executes admin commands (NVMe 1.4, §5). One thread. */
final class AdminCommands {
    /** What {@link #execute} answers for a command that completes later. */
    static final int PENDING = -1;

    /** Most completions of one command: that of an aborted one comes before its own. */
    static final int MAX_COMPLETIONS = 2;

    private static final int PAGE_BYTES = 4096;
    private static final int KEEP_EVENTS = 1 << 15;
    private static final int SAVE = 1 << 31;
    private static final int CONTIGUOUS = 1;
    private static final int INTERRUPTS = 1 << 1;
    private static final int NOT_ABORTED = 1;
    private static final int FORMAT_PROTECTION = 7 << 5;
    private static final int USER_DATA_ERASE = 1;

    private final QueueSet queues;
    private final NamespaceSet namespaces;
    private final Features features;
    private final AsyncEvents events;
    private final LogPages logs;
    private final ChangedNamespaces changed;
    private final DataPointer pointer;
    private final DmaPort port;
    private final NvmeOptions options;
    private final MemorySegment page;
    private int queuePairs;
    private int result;
    private int pageLg2;
    private int configuration;

    AdminCommands(NvmeSubsystem subsystem, QueueSet queues, Features features, AsyncEvents events, DataPointer pointer, DmaPort port,
            Arena arena) {
        this.queues = queues;
        this.features = features;
        this.events = events;
        options = subsystem.options();
        namespaces = subsystem.namespaces();
        changed = subsystem.changed();
        logs = new LogPages(subsystem, features);
        this.pointer = pointer;
        this.port = port;
        page = arena.allocate(PAGE_BYTES, Long.BYTES);
    }

    /** The controller was enabled with this CC. */
    void start(int controllerConfiguration) {
        configuration = controllerConfiguration;
        pageLg2 = ControllerRegister.pageLg2(controllerConfiguration);
        queuePairs = options.queuePairs();
    }

    void save(SavedState state) {
        state.put(queuePairs);
    }

    /** After {@link #start}. */
    void restore(SavedState state) {
        queuePairs = state.number("queue pairs", 1, options.queuePairs());
    }

    /** Command specific result of the last command. */
    int result() {
        return result;
    }

    /** Executes the command at {@code at}. @return its status, or {@link #PENDING} */
    int execute(MemorySegment commands, long at) {
        result = 0;
        if (SubmissionEntry.fused(commands, at) != 0) {
            return NvmeStatus.INVALID_FIELD;
        }
        return switch (SubmissionEntry.opcode(commands, at)) {
            case Opcode.IDENTIFY -> identify(commands, at);
            case Opcode.CREATE_COMPLETION_QUEUE -> createCompletionQueue(commands, at);
            case Opcode.CREATE_SUBMISSION_QUEUE -> createSubmissionQueue(commands, at);
            case Opcode.DELETE_COMPLETION_QUEUE -> queues.deleteCompletion(commandWord(commands, at, 10) & 0xffff);
            case Opcode.DELETE_SUBMISSION_QUEUE -> deleteSubmissionQueue(commands, at);
            case Opcode.GET_FEATURES -> getFeature(commands, at);
            case Opcode.SET_FEATURES -> setFeature(commands, at);
            case Opcode.GET_LOG_PAGE -> getLogPage(commands, at);
            case Opcode.ASYNC_EVENT_REQUEST -> requestEvent(commands, at);
            case Opcode.ABORT -> abort(commands, at);
            case Opcode.FORMAT -> format(commands, at);
            default -> NvmeStatus.INVALID_OPCODE;
        };
    }

    private int send(MemorySegment commands, long at, MemorySegment source, long offset, long lengthBytes) {
        int status = pointer.findPrps(commands, at, lengthBytes);
        if (status != SUCCESS) {
            return status;
        }
        return pointer.pieces().writeTo(port, source, offset) == DmaStatus.DONE ? SUCCESS : NvmeStatus.DATA_TRANSFER_ERROR;
    }

    private int identify(MemorySegment commands, long at) {
        int namespaceId = SubmissionEntry.namespaceId(commands, at);
        boolean present = namespaces.contains(namespaceId);
        page.fill((byte) 0);
        switch (commandWord(commands, at, 10) & 0xff) {
            case 0 -> {
                if (!present) {
                    return NvmeStatus.INVALID_NAMESPACE;
                }
                IdentifyData.namespace(page, namespaces.get(namespaceId));
            }
            case 1 -> IdentifyData.controller(page, options.serial(), namespaces.count());
            case 2 -> {
                if (Integer.compareUnsigned(namespaceId, -2) >= 0) {
                    return NvmeStatus.INVALID_NAMESPACE;
                }
                if (Integer.compareUnsigned(namespaceId, namespaces.count()) < 0) {
                    IdentifyData.namespaceList(page, namespaceId, namespaces.count());
                }
            }
            case 3 -> {
                if (!present) {
                    return NvmeStatus.INVALID_NAMESPACE;
                }
                IdentifyData.descriptors(page, namespaces.get(namespaceId));
            }
            default -> {
                return NvmeStatus.INVALID_FIELD;
            }
        }
        return send(commands, at, page, 0, PAGE_BYTES);
    }

    private int createCompletionQueue(MemorySegment commands, long at) {
        int identity = commandWord(commands, at, 10);
        int shape = commandWord(commands, at, 11);
        if ((shape & CONTIGUOUS) == 0) {
            return NvmeStatus.INVALID_FIELD;
        }
        if (ControllerRegister.completionEntryLg2(configuration) != CompletionEntry.BYTES_LG2) {
            return NvmeStatus.INVALID_QUEUE_SIZE;
        }
        long iova = SubmissionEntry.prp1(commands, at);
        return misaligned(iova) ? NvmeStatus.PRP_OFFSET_INVALID
                : queues.createCompletion(identity & 0xffff, (identity >>> 16) + 1, iova, shape >>> 16, (shape & INTERRUPTS) != 0, queuePairs);
    }

    private int createSubmissionQueue(MemorySegment commands, long at) {
        int identity = commandWord(commands, at, 10);
        int shape = commandWord(commands, at, 11);
        if ((shape & CONTIGUOUS) == 0) {
            return NvmeStatus.INVALID_FIELD;
        }
        if (ControllerRegister.submissionEntryLg2(configuration) != SubmissionEntry.BYTES_LG2) {
            return NvmeStatus.INVALID_QUEUE_SIZE;
        }
        long iova = SubmissionEntry.prp1(commands, at);
        return misaligned(iova) ? NvmeStatus.PRP_OFFSET_INVALID
                : queues.createSubmission(identity & 0xffff, (identity >>> 16) + 1, iova, shape >>> 16, queuePairs);
    }

    private boolean misaligned(long iova) {
        return (iova & (1L << pageLg2) - 1) != 0;
    }

    /** Commands that wait in the queue are aborted, as far as their completions find room. */
    private int deleteSubmissionQueue(MemorySegment commands, long at) {
        SubmissionQueue queue = queues.ioSubmission(commandWord(commands, at, 10) & 0xffff);
        if (queue == null) {
            return NvmeStatus.INVALID_QUEUE_ID;
        }
        CompletionQueue completions = queue.completions();
        queue.takeTail(queues.doorbell(queue));
        completions.takeHead(queues.doorbell(completions));
        while (queue.waiting() > 0 && completions.room() > 0 && port.read(queue.nextIova(), page, 0, SubmissionEntry.BYTES) == DmaStatus.DONE) {
            queue.advance();
            completions.add(0, queue.head(), queue.id(), SubmissionEntry.commandId(page, 0), NvmeStatus.ABORTED_QUEUE_DELETION);
            if (completions.fullBatch() && !completions.post(port)) {
                break;
            }
        }
        if (completions.collectedAny()) {
            completions.post(port);
        }
        queues.deleteSubmission(queue);
        return SUCCESS;
    }

    private int getFeature(MemorySegment commands, long at) {
        int select = commandWord(commands, at, 10) >>> 8 & 7;
        int feature = commandWord(commands, at, 10) & 0xff;
        int word = commandWord(commands, at, 11);
        int capabilities = Features.capabilities(feature);
        int namespaceId = SubmissionEntry.namespaceId(commands, at);
        if (capabilities == 0 || select > 3) {
            return NvmeStatus.INVALID_FIELD;
        }
        if ((capabilities & Features.PER_NAMESPACE) != 0 && !namespaces.contains(namespaceId)) {
            return NvmeStatus.INVALID_NAMESPACE;
        }
        if (select == 3) {
            result = capabilities;
            return SUCCESS;
        }
        boolean current = select == 0;   // nothing is saved: saved values are the defaults
        if (feature == Features.QUEUE_COUNT) {
            int pairs = current ? queuePairs : options.queuePairs();
            result = pairs - 1 | pairs - 1 << 16;
            return SUCCESS;
        }
        if (feature == Features.TIMESTAMP) {
            page.set(LE_LONG, 0, current ? features.timestamp() : 0);
            return send(commands, at, page, 0, Long.BYTES);
        }
        long value = current ? features.value(feature, word, namespaceId) : features.defaultValue(feature, word);
        result = (int) Math.max(0, value);
        return value < 0 ? (int) -value : SUCCESS;
    }

    private int setFeature(MemorySegment commands, long at) {
        int feature = commandWord(commands, at, 10) & 0xff;
        int word = commandWord(commands, at, 11);
        int capabilities = Features.capabilities(feature);
        int namespaceId = SubmissionEntry.namespaceId(commands, at);
        if (capabilities == 0) {
            return NvmeStatus.INVALID_FIELD;
        }
        if ((commandWord(commands, at, 10) & SAVE) != 0) {
            return NvmeStatus.FEATURE_NOT_SAVEABLE;
        }
        if (namespaceId != NamespaceSet.ALL) {
            boolean perNamespace = (capabilities & Features.PER_NAMESPACE) != 0;
            if ((namespaceId != 0 || perNamespace) && !namespaces.contains(namespaceId)) {
                return NvmeStatus.INVALID_NAMESPACE;
            }
            // Drivers set the write cache of a namespace, and disks let them; it is the controller's all the same.
            if (namespaceId != 0 && !perNamespace && feature != Features.WRITE_CACHE) {
                return NvmeStatus.FEATURE_NOT_PER_NAMESPACE;
            }
        }
        return switch (feature) {
            case Features.QUEUE_COUNT -> setQueueCount(word);
            case Features.TIMESTAMP -> setTimestamp(commands, at);
            default -> {
                int status = features.change(feature, word, namespaceId);
                if (features.tooHot() && features.temperatureEvents()) {
                    events.happened(AsyncEvents.TEMPERATURE);
                }
                yield status;
            }
        };
    }

    private int setQueueCount(int word) {
        int submissions = word & 0xffff;
        int completions = word >>> 16;
        if (submissions == 0xffff || completions == 0xffff) {
            return NvmeStatus.INVALID_FIELD;
        }
        if (queues.anyIo()) {
            return NvmeStatus.SEQUENCE_ERROR;
        }
        queuePairs = Math.min(Math.max(submissions, completions) + 1, options.queuePairs());
        result = queuePairs - 1 | queuePairs - 1 << 16;
        return SUCCESS;
    }

    private int setTimestamp(MemorySegment commands, long at) {
        int status = pointer.findPrps(commands, at, Long.BYTES);
        if (status == SUCCESS) {
            if (pointer.pieces().readFrom(port, page, 0) != DmaStatus.DONE) {
                return NvmeStatus.DATA_TRANSFER_ERROR;
            }
            features.setTimestamp(page.get(LE_LONG, 0));
        }
        return status;
    }

    private int getLogPage(MemorySegment commands, long at) {
        int word = commandWord(commands, at, 10);
        int id = word & 0xff;
        long wantedBytes = ((Integer.toUnsignedLong(word) >>> 16 | Integer.toUnsignedLong(commandWord(commands, at, 11) & 0xffff) << 16) + 1) * 4;
        long offset = Integer.toUnsignedLong(commandWord(commands, at, 12)) | Integer.toUnsignedLong(commandWord(commands, at, 13)) << 32;
        int pageBytes = logs.write(id, page);
        if (pageBytes == LogPages.NONE) {
            return NvmeStatus.INVALID_LOG_PAGE;
        }
        if ((offset & 3) != 0 || Long.compareUnsigned(offset, pageBytes) > 0
                || !LogPages.acceptsNamespace(id, SubmissionEntry.namespaceId(commands, at))) {
            return NvmeStatus.INVALID_FIELD;
        }
        long sentBytes = Math.min(wantedBytes, pageBytes - offset);   // what a host asks for behind the page's end is undefined
        int status = sentBytes == 0 ? SUCCESS : send(commands, at, page, offset, sentBytes);
        if (status == SUCCESS && (word & KEEP_EVENTS) == 0) {
            events.unmask(id);
            if (id == LogPages.CHANGED_NAMESPACES) {
                changed.clear();
            }
        }
        return status;
    }

    private int requestEvent(MemorySegment commands, long at) {
        int commandId = SubmissionEntry.commandId(commands, at);
        if (events.requested(commandId)) {
            return NvmeStatus.COMMAND_ID_CONFLICT;
        }
        return events.request(commandId) ? PENDING : NvmeStatus.EVENT_REQUEST_LIMIT;
    }

    /** Commands end before the next one is looked at; only requests for events can still be aborted. */
    private int abort(MemorySegment commands, long at) {
        int word = commandWord(commands, at, 10);
        CompletionQueue completions = queues.admin().completions();
        boolean aborted = (word & 0xffff) == 0 && completions.room() >= MAX_COMPLETIONS && events.withdraw(word >>> 16);
        if (aborted) {
            completions.add(0, queues.admin().head(), 0, word >>> 16, NvmeStatus.ABORT_REQUESTED);
        }
        result = aborted ? 0 : NOT_ABORTED;
        return SUCCESS;
    }

    private int format(MemorySegment commands, long at) {
        int word = commandWord(commands, at, 10);
        int namespaceId = SubmissionEntry.namespaceId(commands, at);
        int format = word & 0xf;
        if (namespaceId != NamespaceSet.ALL && !namespaces.contains(namespaceId)) {
            return NvmeStatus.INVALID_NAMESPACE;
        }
        if (format >= IdentifyData.FORMATS_LG2.length || (word & FORMAT_PROTECTION) != 0) {
            return NvmeStatus.INVALID_FORMAT;
        }
        if ((word >>> 9 & 7) > USER_DATA_ERASE) {
            return NvmeStatus.INVALID_FIELD;
        }
        int status = SUCCESS;
        for (int id = 1; id <= namespaces.count() && status == SUCCESS; id++) {
            if (namespaceId == NamespaceSet.ALL || namespaceId == id) {
                status = format(namespaces.get(id), IdentifyData.FORMATS_LG2[format]);
            }
        }
        return status;
    }

    private int format(Namespace namespace, int blockLg2) {
        if (namespace.readOnly()) {
            return NvmeStatus.WRITE_PROTECTED;
        }
        int status = namespace.deallocate(0, namespace.blocks());
        if (status == SUCCESS) {
            namespace.format(blockLg2);
            changed.add(namespace.id());
            if (features.namespaceEvents()) {
                events.happened(AsyncEvents.NAMESPACE_CHANGED);
            }
        }
        return status;
    }
}
