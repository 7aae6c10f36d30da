<?php
// Publishes one notification to a Campanile server, with nothing but PHP's own functions.
//
//     php publish.php HOST PORT [FILE]            the message from FILE, or else from standard input
//     php publish.php HOST PORT FILE --no-wait    leave without waiting for the server's answer
//     php -d openssl.cafile=CA publish.php tls://HOST PORT FILE    with TLS; CA is the file of an
//                                                 authority that the system does not know anyway
//
// Waiting tells you whether the server took the notification: it closes the connection with 1000
// when it did, and says what is wrong when it did not.

declare(strict_types=1);

/**
 * Sends one message and returns the code by which the server closes the connection: 1000 when it has
 * handed the notification out. With $wait = false it returns null at once.
 */
function campanile_publish(string $host, int $port, string $message, bool $wait = true): ?int
{
    $socket = @fsockopen($host, $port, $errno, $error, 5);
    if ($socket === false) {
        throw new RuntimeException("cannot connect to $host:$port: $error");
    }
    stream_set_timeout($socket, 10);

    $key = base64_encode(random_bytes(16));
    $name = preg_replace('~^tls://~', '', $host);
    fwrite($socket, "GET / HTTP/1.1\r\n"
        . "Host: $name:$port\r\n"
        . "Upgrade: websocket\r\n"
        . "Connection: Upgrade\r\n"
        . "Sec-WebSocket-Key: $key\r\n"
        . "Sec-WebSocket-Version: 13\r\n\r\n");
    $status = (string) fgets($socket);
    if (!str_contains($status, ' 101 ')) {
        throw new RuntimeException("$host:$port is no WebSocket server: " . trim($status));
    }
    while (trim((string) fgets($socket)) !== '') {
        // Nothing in the other header lines matters here.
    }

    // One text frame, masked as RFC 6455 requires of every client.
    $length = strlen($message);
    if ($length < 126) {
        $head = pack('CC', 0x81, 0x80 | $length);
    } elseif ($length < 65536) {
        $head = pack('CCn', 0x81, 0x80 | 126, $length);
    } else {
        $head = pack('CCJ', 0x81, 0x80 | 127, $length);
    }
    $mask = random_bytes(4);
    $masked = $message ^ substr(str_repeat($mask, intdiv($length, 4) + 1), 0, $length);
    fwrite($socket, $head . $mask . $masked);

    $code = $wait ? campanile_wait_for_close($socket) : null;
    fclose($socket);
    return $code;
}

/**
 * Reads frames until the server closes, and throws when it sends an error before that.
 *
 * @param resource $socket
 */
function campanile_wait_for_close($socket): int
{
    while (strlen($head = (string) stream_get_contents($socket, 2)) === 2) {
        [, $first, $length] = unpack('C2', $head);
        if ($length === 126) {
            [, $length] = unpack('n', stream_get_contents($socket, 2));
        } elseif ($length === 127) {
            [, $length] = unpack('J', stream_get_contents($socket, 8));
        }
        $payload = $length > 0 ? stream_get_contents($socket, $length) : '';
        $opcode = $first & 0x0f;
        if ($opcode === 0x8) {
            return $length >= 2 ? unpack('n', $payload)[1] : 1005;
        }
        if ($opcode === 0x1) {
            $error = json_decode($payload, true)['error'] ?? null;
            if ($error !== null) {
                throw new RuntimeException("the server refused the notification: $error[code]: $error[message]");
            }
        }
    }
    throw new RuntimeException('the server did not answer');
}

if ($argc < 3) {
    fwrite(STDERR, "usage: php publish.php HOST PORT [FILE] [--no-wait]\n");
    exit(2);
}
try {
    $message = file_get_contents($argv[3] ?? 'php://stdin');
    $code = campanile_publish($argv[1], (int) $argv[2], $message, ($argv[4] ?? '') !== '--no-wait');
} catch (RuntimeException $problem) {
    fwrite(STDERR, 'publish.php: ' . $problem->getMessage() . "\n");
    exit(1);
}
if ($code !== null) {
    echo "closed $code\n";
}
exit($code === null || $code === 1000 ? 0 : 1);
