package iommufd.api;

/** Answer to a group of IO page faults ({@code enum iommufd_page_response_code}). */
public enum FaultResponse {
    /** The pages are there now: try again. */
    SUCCESS,
    /** Not to be had: end the access and do not ask again. */
    INVALID
}
