/* What relaxed MongoDB Extended JSON (v2) has otherwise than JSON: outbox.archive.extended_json. Each function returns where
 * to write on; NULL: not plain.
 */
#ifndef OUTBOX_EXTENDED_H
#define OUTBOX_EXTENDED_H

#include "decimal.h"

static uint8_t *write_long(uint8_t *to, int64_t value)
{
    return write_ascii(write_integer(write_ascii(to, "{\"$numberLong\":\""), value), "\"}");
}

/* As text only from 1970 to 9999, and with milliseconds only where there are some. */
static uint8_t *write_extended_date(uint8_t *to, int64_t milliseconds)
{
    if (milliseconds < 0 || milliseconds > LAST_DATE)
        return write_ascii(write_long(write_ascii(to, "{\"$date\":"), milliseconds), "}");
    to = write_date(write_ascii(to, "{\"$date\":\""), milliseconds);
    if (milliseconds % 1000 == 0) {
        to -= sizeof "000Z" - 1;
        to[-1] = 'Z';
    }
    return write_ascii(to, "\"}");
}

/* One value whose bytes have a fixed size. */
static uint8_t *write_extended(uint8_t *to, uint8_t type, const uint8_t *bytes)
{
    int64_t number;
    switch (type) {
    case 0x07:
        return write_ascii(write_hex(write_ascii(to, "{\"$oid\":\""), bytes, 12), "\"}");
    case 0x09:
        return write_extended_date(to, (int64_t)little_endian(bytes, 8));
    case 0x12: /* a plain number only where nobody can take it for an int32 */
        number = (int64_t)little_endian(bytes, 8);
        return number < INT32_MIN || number > INT32_MAX ? write_integer(to, number) : write_long(to, number);
    case 0x13:
        if (!is_canonical(bytes) || (to = write_decimal(write_ascii(to, "{\"$numberDecimal\":\""), bytes)) == NULL)
            return NULL;
        return write_ascii(to, "\"}");
    default: /* no type of JSON's, or none that there is */
        return NULL;
    }
}

#endif
