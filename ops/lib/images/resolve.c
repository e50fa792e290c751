/* resolve NAME..: prints each name and its IPv4 addresses, as the C library finds them. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    int missing = 0;
    for (int i = 1; i < argc; i++) {
        /* Both families, as most programs ask. */
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
        int error = getaddrinfo(argv[i], NULL, &hints, &found);
        printf("%s", argv[i]);
        if (error) {
            printf(" (%s)", gai_strerror(error));
            missing = 1;
        }
        for (struct addrinfo *one = found; one; one = one->ai_next) {
            char text[INET_ADDRSTRLEN];
            if (one->ai_family == AF_INET)
                printf(" %s", inet_ntop(AF_INET, &((struct sockaddr_in *)one->ai_addr)->sin_addr, text, sizeof text));
        }
        printf("\n");
        if (found)
            freeaddrinfo(found);
    }
    return missing;
}
