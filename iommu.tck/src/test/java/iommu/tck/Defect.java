package iommu.tck;

import java.util.List;

/**
 * Places in which {@link ReferenceBackend} can break the contract, each with the kit's tests that must notice. Together they name
 * every test of the kit.
 */
enum Defect {
    NONE,

    // Tables
    GEOMETRY_WITHOUT_LARGEST_PAGE("Mapping.geometryHasThePageSizesTheBackendDeclares"),
    HOLES_TRANSLATE_TO_THEMSELVES("Mapping.anEmptyTableTranslatesNothing", "Mapping.whatTouchesAMappingStaysUnmapped",
            "WildAddress.wildAddressesTranslateToNothing"),
    LARGE_OFFSETS_CUT("Mapping.everyPageSizeIsMappedTranslatedReachedByDmaAndUnmapped"),
    RUNS_REPEAT_THEIR_FIRST_PAGE("Mapping.severalPagesOfEverySizeInOneRunAreContinuous",
            "Mapping.smallPagesCrossEveryTableBoundary", "Mapping.mapSmallestTranslatesAsMapDoes"),
    LAST_PAGE_OF_APERTURE_LOST("Mapping.bothEndsOfTheApertureCanBeMapped"),
    FIRST_SMALL_PAGE_OF_A_TABLE_LOST("Mapping.smallPagesCrossEveryTableBoundary"),
    RUNS_IN_REVERSE_ORDER("Mapping.scatteredRunsKeepTheirOrder", "Mapping.runsOfMixedSizesFollowOneAnother"),
    ENTRIES_ONE_BYTE_TOO_LONG("Mapping.whatTouchesAMappingStaysUnmapped"),
    UNMAP_TAKES_THE_NEXT_ENTRY_TOO("Mapping.mappingsThatTouchComeAndGoIndependently",
            "Mapping.unmapTakesNothingBesideItsRange", "Invalidation.unmapLeavesOtherCachedPagesRight"),
    UNMAP_STOPS_AT_A_HOLE("Mapping.oneRangeUnmapsManyMappingsAndSkipsHoles"),
    UNMAP_COUNTS_ENTRIES("Mapping.severalPagesOfEverySizeInOneRunAreContinuous"),
    UNMAP_DROPS_ALIASES_EVERYWHERE("Mapping.memoryCanBeMappedAtSeveralPlaces", "Swap.twoIommusServeTheSameMemorySideBySide"),
    UNMAP_LEAVES_THE_LAST_OF_MANY("Mapping.aRangeIsMappedAgainInOtherSizesManyTimes"),
    MAP_ONLY_WHEN_ATTACHED("Mapping.aTableFilledBeforeAnythingIsAttachedServesLater"),
    SMALLEST_IGNORED("DirtyTracking.mapSmallestReportsSmallPagesWhereALargeEntryWouldFit"),

    // Moving bytes
    WRITES_ONE_BYTE_MORE("Transfer.everyLengthAndOffsetAroundAPageBorderMovesExactly",
            "Transfer.writingTheLastBytesOfAPageLeavesTheNextFrameAlone", "Transfer.aScatterListIsWrittenPieceByPiece"),
    REQUESTS_END_AFTER_FOUR_PAGES("Transfer.aRequestMaySpanManyPages"),
    BUFFER_OFFSET_IGNORED("Transfer.nativeAndHeapBuffersServeAlike"),
    SCATTER_REPEATS_THE_BUFFER("Transfer.aScatterListIsWrittenPieceByPiece", "Transfer.aScatterListIsReadPieceByPiece"),
    COMPARE_AND_SWAP_NEVER_COMPARES("Transfer.compareAndSwapReplacesOnlyWhatWasExpected"),
    ADD_ANSWERS_THE_SUM("Transfer.fetchAndAddAndSwapAnswerTheWordTheyFound"),
    ADD_NOT_ATOMIC("Transfer.additionsOfTwoPortsAreAllCounted"),
    ATOMICS_LEAVE_THE_STATUS("Transfer.statusIsThatOfTheLatestRequest"),

    // Memory behind the window
    FAR_ADDRESSES_CUT("Far.farMemoryIsReachedFromItsFirstByteToItsLast", "Far.aScatterListMayMixNearAndFarPieces"),
    FAR_REQUESTS_MOVE_HALF_A_PAGE("Far.farMemoryIsReachedFromItsFirstByteToItsLast", "Far.entriesOfEverySizeLeadToFarMemory",
            "Far.aRequestGoesThroughNearAndFarPages"),
    FAR_ATOMICS_SERVED("Far.atomicsOnFarMemoryEndWithoutAnswer"),
    FAR_FAILURES_IGNORED("Far.whatIsGoneEndsWithoutAnswerAndReadsAsZeros", "Far.untilThereIsAServiceFarRequestsEndWithoutAnswer"),
    DIRTY_MISSES_FAR_WRITES("Far.writtenFarPagesAreDirty"),

    // Refused requests
    PERMISSION_IGNORED("Permission.aReadOnlyPageRefusesWrites", "Permission.aWriteOnlyPageRefusesReads",
            "Permission.permissionsHoldInEntriesOfEverySize", "Permission.aPageRemappedWithOtherRightsHasThoseOnly",
            "Permission.atomicsNeedBothRights", "Permission.aWriteStopsAtTheRefusedPage", "Far.aReadOnlyFarPageRefusesWrites"),
    WRITES_GO_ON_AFTER_A_REFUSED_PAGE("Permission.aWriteStopsAtTheRefusedPage", "Permission.aWriteStopsAtTheHole",
            "Permission.aScatterWriteStopsAtTheRefusedPiece"),
    REFUSED_READS_DELIVER_BYTES("Permission.aReadAcrossAHoleDeliversZerosOnly",
            "Permission.aScatterReadWithARefusedPieceDeliversZerosOnly", "WildAddress.aScatterListWithAWildPieceIsRefused"),
    FAULTS_NOT_REPORTED("Permission.aFaultNamesKindAddressAccessAndRequester"),
    FAULTS_NOT_RECORDED("Permission.aFaultNamesKindAddressAccessAndRequester"),
    FAULTS_NAME_THE_START_OF_THE_REQUEST("Permission.aWriteStopsAtTheHole"),
    FAULTS_ARE_ALL_OF_ONE_KIND("Permission.aBlockedEndpointsFaultSaysSo",
            "Permission.aFaultNamesKindAddressAccessAndRequester", "Replacement.blockedDmaIsRefusedThoughItWasCached"),
    FAULTS_WITHOUT_PASID("Permission.aFaultNamesThePasid"),
    FAULTS_REPORTED_INSIDE_THE_REQUEST("Permission.theFaultSinkMayChangeTheTableThatFaulted"),
    SUCCESS_REPORTED_AS_FAULT("Permission.requestsThatSucceedReportNothing"),

    // Attachments
    UNATTACHED_GOES_THROUGH_THE_LATEST_TABLE("Isolation.aProbedEndpointIsBlocked"),
    ENDPOINTS_SHARE_ATTACHMENTS("Isolation.endpointsWithOwnTablesReachOwnMemory", "Isolation.pasidsOfTwoEndpointsAreDifferent"),
    TABLES_HAVE_ONE_ENDPOINT("Isolation.manyEndpointsShareOneTable"),
    PORTS_KEEP_THE_TABLE_THEY_OPENED_WITH("Isolation.everyPortOfAnEndpointSeesItsAttachment"),
    BLOCK_BLOCKS_EVERYTHING("Isolation.blockingOneEndpointLeavesTheOthersAlone", "Isolation.blockingAPasidLeavesTheOthersAlone"),
    PASID_IGNORED("Isolation.pasidsOfOneEndpointReachOwnMemory", "Isolation.aPasidNobodyAttachedIsBlocked"),
    REPLACE_UNNOTICED_BY_WARM_PORTS("Replacement.afterReplaceDmaGoesThroughTheNewTable",
            "Replacement.afterReplaceOfAPasidDmaGoesThroughTheNewTable",
            "Replacement.whatTheNewTableLacksIsRefusedThoughItWasCached", "Replacement.theFormerTableMayBeClosedAtOnce",
            "Replacement.onceReplaceReturnsNoDmaInFlightReachesTheFormerMemory",
            "Replacement.changesOfATableNobodyIsAttachedToAnyMoreHarmNobody"),
    BLOCK_UNNOTICED_BY_WARM_PORTS("Replacement.blockedDmaIsRefusedThoughItWasCached",
            "Replacement.onceBlockReturnsNoDmaIsInFlight"),
    REPLACE_WITH_A_GAP("Replacement.replaceNeverShowsAMomentWithoutTranslation",
            "Replacement.replacingAPasidNeverShowsAMomentWithoutTranslation"),
    CLOSED_TABLES_RECYCLED_UNCLEARED("Replacement.aNewTableInheritsNothingFromAClosedOne"),

    // Cached translations
    UNMAP_UNNOTICED_BY_WARM_PORTS("Invalidation.unmapForgetsCachedEntriesOfEverySize",
            "Invalidation.unmapForgetsCachedReadsAndCachedAtomics", "Invalidation.unmapReachesEveryPortOfEveryEndpoint",
            "Invalidation.aRemappedPageLeadsToTheNewMemory", "Invalidation.aLargePageGivesWayToSmallOnesAndBack",
            "Invalidation.unmapOfManyCachedPagesForgetsEachOfThem", "Invalidation.aPortThatSleptThroughManyUnmapsMissesNone",
            "Invalidation.dmaInFlightNeverReachesAnUnmappedPage", "Invalidation.tablesComeAndGoUnderDmaThatWandersThroughThem",
            "Far.anUnmappedFarPageIsNotReachedAndItsIovaCanBecomeNear", "RandomSequence.randomSequencesBehaveAsTheModel"),
    REFUSALS_CACHED("Invalidation.aRefusedPageIsReachedOnceItIsMapped"),

    // Dirty tracking
    READS_ARE_DIRTY("DirtyTracking.nothingIsDirtyBeforeTheFirstWrite"),
    DIRTY_FIRST_PAGE_ONLY("DirtyTracking.exactlyTheWrittenPagesAreReported"),
    DIRTY_LOST_AFTER_CLEAR("DirtyTracking.aClearedPageIsReportedAgainThoughItWasCached",
            "DirtyTracking.everyPortsWritesAreReportedAgainAfterAClear",
            "DirtyTracking.clearingThroughAPartOfAnEntryLetsNoCachedPartOfItWriteUnseen",
            "DirtyTracking.copyingWhatIsReportedLosesNoByteOfConcurrentDma", "RandomSequence.randomSequencesBehaveAsTheModel"),
    DIRTY_CLEARS_EVERYTHING("DirtyTracking.readingAPartReportsAndClearsThatPartOnly"),
    DIRTY_MISSES_ATOMICS("DirtyTracking.atomicsAreWrites"),
    DIRTY_MISSES_REFUSED_WRITES("DirtyTracking.whatARefusedWriteLeftBehindIsReported"),
    DIRTY_MISSES_LARGE_ENTRIES("DirtyTracking.entriesOfEverySizeAreReported"),
    DIRTY_KEPT_BY_ENABLE("DirtyTracking.enablingForgetsWhatWasWrittenBefore"),
    DIRTY_ALWAYS_OFFERED("DirtyTracking.withoutTrackingWritesJustArrive",
            "Refusal.aTableIsMadeForEverythingTheHardwareHasAndNothingElse"),
    DIRTY_KEPT_BY_UNMAP("DirtyTracking.aNewMappingIsClean"),
    DIRTY_SHARED_BY_TABLES("DirtyTracking.tablesTrackApart"),
    DIRTY_COMPARES_SIGNED("WildAddress.dirtyPagesOfTheWholeAddressSpaceAreRead"),
    DIRTY_FORGOTTEN_BY_CLOSING_A_PORT("Swap.noWrittenPageIsForgottenWhileHardwareIsExchanged"),

    // Entries that change their size
    SPLIT_DOES_NOTHING("Resizing.aSplitChangesNothingButTheSize", "Resizing.wildRangesAreHarmless"),
    SPLIT_REPEATS_THE_FIRST_PAGE("Resizing.aSplitChangesNothingButTheSize"),
    MERGE_DOES_NOTHING("Resizing.aMergeChangesNothingButTheSize", "Resizing.whatWasSplitMergesToTheLargestEntryAgain"),
    SPLIT_GOES_TO_THE_SMALLEST("Resizing.aSplitGoesAsFarAsAskedFor"),
    SPLIT_GRANTS_EVERYTHING("Resizing.rightsStayAsTheyAre"),
    MERGE_IGNORES_RIGHTS("Resizing.onlyWhatIsAlikeIsMerged"),
    MERGE_IGNORES_MEMORY("Resizing.onlyWhatIsAlikeIsMerged"),
    MERGE_LEAVES_ITS_RANGE("Resizing.aMergeStaysInItsRange"),
    SPLIT_FORGETS_WRITES("Resizing.whatIsWrittenStaysWritten", "Resizing.noWrittenPageIsForgottenWhileEntriesChangeTheirSize"),
    MERGE_FORGETS_WRITES("Resizing.whatIsWrittenStaysWritten", "Resizing.noWrittenPageIsForgottenWhileEntriesChangeTheirSize"),
    MERGE_CALLS_EVERYTHING_WRITTEN("Resizing.whatIsWrittenStaysWritten"),
    RESIZING_WITH_A_GAP("Resizing.dmaNeverMissesWhileEntriesChangeTheirSize"),
    FAILED_SPLIT_LEAVES_A_HOLE("Resizing.aSplitThatRunsOutOfMemoryChangesNoTranslation"),
    MERGE_LEAKS_FRAMES("Resizing.resizingForeverTakesNoMoreFrames"),

    // Requests that must be refused
    MAP_OVERWRITES("Refusal.mappingOverAMappingIsRefusedWhole", "Refusal.aLargePageIsNotMappedOverASmallOneNorTheOtherWayRound"),
    MAP_LEAVES_WHAT_CAME_BEFORE_THE_CONFLICT("Refusal.aMapThatMeetsAnotherFarBehindIsUndoneFromItsStart",
            "Refusal.mappingOverAMappingIsRefusedWhole"),
    APERTURE_UNCHECKED("Refusal.whatLiesOutsideTheApertureIsRefused"),
    ALIGNMENT_UNCHECKED("Refusal.misalignedRequestsAreRefused"),
    FOREIGN_TABLES_ATTACHED("Refusal.aTableOfAnotherIommuIsNotAttached"),
    PROBED_TWICE("Refusal.anEndpointIsProbedOnce"),
    STRANGERS_PROBED("Refusal.aStrangersEndpointIsNotProbed"),
    PASID_WIDTH_UNCHECKED("Refusal.aPasidTooWideIsRefused", "Refusal.anEndpointWithoutPasidsAttachesNone"),
    INFO_EXAGGERATES("Refusal.infoSaysWhatTheBackendDeclares"),
    UNKNOWN_FORMATS_CALLED_MALFORMED("Refusal.unknownNestedFormatsAreRefused"),
    UNKNOWN_ANSWERS_FAIL("Refusal.answersNobodyAskedForAreIgnored"),

    // Out of memory
    FAILED_PROBE_REMEMBERED("Exhaustion.probeFailsWithoutATrace"),
    OUT_OF_MEMORY_CALLED_BAD_ADDRESS("Exhaustion.allocatePagingFailsWithoutATrace"),
    FAILED_MAP_LEAVES_A_PART("Exhaustion.mapFailsWithoutATrace", "Exhaustion.mapSmallestFailsWithoutATrace"),
    FAILED_MAP_LEAKS_FRAMES("Exhaustion.mapFailsWithoutATrace", "Exhaustion.mapSmallestFailsWithoutATrace"),
    FAILED_ATTACH_BLOCKS("Exhaustion.attachFailsAndTheFormerAttachmentServesOn"),
    FAILED_ATTACH_ATTACHES("Exhaustion.attachOfAPasidFailsAndTheFormerAttachmentServesOn"),
    FAILED_TRACKING_LEAKS_A_FRAME("Exhaustion.dirtyTrackingFailsToStartWithoutATrace"),
    UNMAP_TAKES_FRAMES("Exhaustion.unmapNeedsNoMemory"),

    // Requests that wait for absent pages
    PAGE_REQUESTS_NAME_THE_BYTE("PageRequests.aRequestNamesPageAndAccess"),
    PAGE_REQUESTS_WITHOUT_PASID("PageRequests.aRequestNamesThePasid"),
    REQUESTS_FORGOTTEN_AFTER_THE_WAIT("PageRequests.aWriteArrivesOnceThePageIsThere", "PageRequests.aReadSeesWhatThePageHolds"),
    ONE_PAGE_PER_REQUEST("PageRequests.aLongRequestAsksForEveryPageThatIsAbsent"),
    PAGES_ASKED_FOR_THAT_NOBODY_WANTS("PageRequests.aLongRequestAsksForEveryPageThatIsAbsent"),
    ONLY_PLAIN_REQUESTS_ASK("PageRequests.scatteredPiecesAndAtomicsWaitToo", "PageRequests.pagesComeAndGoUnderDevicesThatAsk"),
    INVALID_ANSWERS_TRIED_AGAIN("PageRequests.anInvalidAnswerIsAFault"),
    UNHEARD_PAGE_REQUESTS_WAIT("PageRequests.whereNobodyAnswersTheRequestFaultsAtOnce"),
    EVERYBODY_ASKS("PageRequests.anEndpointThatCannotAskFaults"),
    BLOCKED_REQUESTS_ASK("PageRequests.whereNothingIsAttachedNoPageIsAskedFor"),
    WAITS_INSIDE_THE_REQUEST("PageRequests.changesDoNotWaitForUserSpace"),
    ANSWERS_OF_ANY_GROUP("PageRequests.wrongAnswersAreIgnored"),
    ANSWERS_IN_ORDER_ONLY("PageRequests.answersComeInAnyOrder"),
    PAGE_REQUESTS_WAIT_FOR_EVER("PageRequests.withoutAnAnswerTheRequestFaultsInTime"),
    PROMISED_PAGES_ASKED_FOR_FOR_EVER("PageRequests.aPageThatIsPromisedAndDoesNotComeIsAFaultInTheEnd"),
    BLOCK_LEAVES_WAITS("PageRequests.blockEndsTheWait"),
    ATTACH_ENDS_WAITS("PageRequests.attachSendsWhoWaitsThroughTheNewTable"),
    CLOSE_LEAVES_WAITS("PageRequests.closingThePortEndsTheWait", "PageRequests.releaseEndsTheWait",
            "PageRequests.hardwareIsExchangedUnderARequestThatWaits"),

    // Ends
    CLOSED_PORTS_SERVE("Lifecycle.aClosedPortAnswersClosedAndMovesNothing", "Lifecycle.onceClosedUnderDmaNothingIsInFlight",
            "Lifecycle.onceReleasedUnderDmaNothingIsInFlight", "Lifecycle.releaseClosesThePorts",
            "Lifecycle.dmaOfEveryPortEndsBeforeThePowerGoes"),
    CLOSED_PORTS_ZERO_THE_TARGET("Lifecycle.aClosedPortAnswersClosedAndMovesNothing"),
    CLOSED_PORTS_MOVE_BEFORE_THEY_ANSWER("Swap.everyRequestIsServedExactlyOnceWhileHardwareIsExchanged"),
    CLOSING_A_PORT_CLOSES_ALL("Lifecycle.closingOnePortLeavesTheOthersAlone"),
    RELEASE_REMEMBERED("Lifecycle.aReleasedEndpointCanBeProbedAgainAndIsBlocked"),
    RELEASE_EMPTIES_TABLES("Lifecycle.aTableOutlivesTheEndpointItWasMadeFor"),
    RELEASE_LEAKS_A_FRAME("Lifecycle.comingAndGoingForeverTakesNoMoreFrames"),
    CLOSE_LEAKS_FRAMES("Lifecycle.closingATableFreesItsFramesThoughItIsStillMapped"),
    UNMAP_LEAKS_FRAMES("Lifecycle.mappingAndUnmappingForeverTakesNoMoreFrames"),

    // Speed
    DMA_ALLOCATES("QuietPath.dmaOfCachedPagesAllocatesNothing", "QuietPath.dmaOfPagesThatAreNotCachedAllocatesNothing"),
    UNMAP_ALLOCATES("QuietPath.mapAndUnmapOfOnePageAllocateNothing", "QuietPath.mapAndUnmapOfManyPagesAllocateNothing",
            "QuietPath.mapAndUnmapOfALargePageAllocateNothing"),

    // Wild addresses
    UPPER_ADDRESS_BITS_IGNORED("WildAddress.wildAddressesAreRefused", "WildAddress.wildAddressesTranslateToNothing",
            "WildAddress.aRequestPastTheEndOfTheAddressSpaceDoesNotWrapToItsStart"),
    UNMAP_COMPARES_SIGNED("WildAddress.unmappingTheWholeAddressSpaceTakesEverythingAndNeverFails"),
    MISSING_MEMORY_CALLED_FAULT("WildAddress.dmaToWhereNoMemoryIsEndsWithoutAnswer",
            "WildAddress.dmaToWhereNoMemoryIsEndsWithoutAnswerInCompiledCodeToo");

    private final List<String> noticedBy;

    Defect(String... noticedBy) {
        this.noticedBy = List.of(noticedBy);
    }

    /** Tests of the kit, as {@code Group.method}, each of which must fail. */
    List<String> noticedBy() {
        return noticedBy;
    }
}
