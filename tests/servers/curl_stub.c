/* A libcurl without function: what mongod 5.0 needs of it in order to start. See mongod_5_0.py. */

#define WITHOUT_FUNCTION(name) long name(void) { return 0; }

WITHOUT_FUNCTION(curl_easy_cleanup)
WITHOUT_FUNCTION(curl_easy_getinfo)
WITHOUT_FUNCTION(curl_easy_init)
WITHOUT_FUNCTION(curl_easy_perform)
WITHOUT_FUNCTION(curl_easy_setopt)
WITHOUT_FUNCTION(curl_easy_strerror)
WITHOUT_FUNCTION(curl_global_cleanup)
WITHOUT_FUNCTION(curl_global_init)
WITHOUT_FUNCTION(curl_slist_append)
WITHOUT_FUNCTION(curl_slist_free_all)

static const char *const protocols[] = {"http", "https", 0};

/* The beginning of curl_version_info_data; all that mongod reads are features and protocols. */
static struct {
    int age;
    const char *version;
    unsigned number;
    const char *host;
    int features;
    const char *tls;
    long tls_number;
    const char *zlib;
    const char *const *protocols;
    char rest[256];
} version = {3, "7.52.1", 0x073401, "x86_64", -1, "OpenSSL/1.1", 0, "1.2", protocols, {0}};

void *curl_version_info(int age) {
    (void)age;
    return &version;
}
