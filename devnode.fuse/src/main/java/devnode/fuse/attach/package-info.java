/**
 * How a program is run by somebody else in a runtime that is up: {@link devnode.fuse.attach.AttachPoint} is the runtime's side,
 * {@link devnode.fuse.attach.Attach} a small program that becomes the one that is to run. They talk over a socket of messages
 * (unix(7)) in the {@link devnode.fuse.attach.RuntimeDirectory}:
 * <ol>
 * <li>request: {@code character-devices} or {@code files};
 * <li>answer: {@code ok}, and the instructions of a filter behind it, with a descriptor of a mount namespace; or {@code refused} and
 *     why;
 * <li>if there are instructions: {@code listen} with the filter's descriptor, answered by {@code go}.
 * </ol>
 */
package devnode.fuse.attach;
