/*
 * What libqtest and libqos call of the rest of QEMU, for programs that are linked without the rest: messages to people, a descriptor
 * that a child does not inherit, and the registration of libqos' own graph of devices, which these programs do not walk.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

void error_report(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int error_printf(const char *format, ...)
{
    va_list arguments;
    int written;

    va_start(arguments, format);
    written = vfprintf(stderr, format, arguments);
    va_end(arguments);
    return written;
}

void qemu_set_cloexec(int descriptor)
{
    fcntl(descriptor, F_SETFD, fcntl(descriptor, F_GETFD) | FD_CLOEXEC);
}

void register_module_init(void (*initialize)(void), int kind)
{
    (void)initialize;
    (void)kind;
}
