# What is expected of each script: `fivetuple pkt --profile FILE` compares.
# Linux 6.18
diverges    abort.pkt:14  # Linux sets PSH at the end of what it can send, also if more waits: --allow psh
pass        ack-delay.pkt
pass        ack-every-second.pkt
pass        backlog.pkt
pass        challenge-ack-limit.pkt
pass        close-active.pkt
pass        close-passive.pkt
pass        close-simultaneous.pkt
diverges    close-then-data.pkt:15  # Linux's RST has no ACK
pass        close-unread.pkt
pass        close-wait-reset.pkt
pass        congestion-avoidance.pkt
pass        cork-nodelay.pkt
pass        default-mss.pkt
pass        dsack-received.pkt
pass        dsack-sent.pkt
pass        duplicate-ack-not.pkt
pass        duplicate-segment.pkt
pass        epoll-edge.pkt
pass        fast-retransmit-first.pkt
pass        fast-retransmit-no-sack.pkt
pass        fast-retransmit.pkt
pass        fin-out-of-order.pkt
pass        fin-retransmit.pkt
pass        fin-with-data.pkt
pass        half-close.pkt
pass        half-open.pkt
pass        handshake-active.pkt
pass        handshake-blocking.pkt
pass        handshake-data.pkt
pass        handshake-fin.pkt
pass        handshake-passive.pkt
pass        icmp-echo.pkt
pass        icmp-hard-syn.pkt
pass        icmp-soft.pkt
diverges    idle-restart.pkt:19  # Linux sets PSH at the end of what it can send, also if more waits: --allow psh
diverges    initial-window.pkt:12  # Linux sets PSH at the end of what it can send, also if more waits: --allow psh
pass        ipv6-echo.pkt
pass        ipv6-handshake.pkt
diverges    ipv6-packet-too-big.pkt:15  # Linux leaves segments to a network card to cut, and shows them as one
pass        ipv6-port-unreachable.pkt
pass        karn.pkt
pass        keepalive-answered.pkt
pass        keepalive.pkt
diverges    limited-transmit.pkt:13  # Linux sets PSH at the end of what it can send, also if more waits: --allow psh
pass        listen-ack.pkt
pass        mss-not-in-syn.pkt
pass        mss-offered.pkt
diverges    mss-too-large.pkt:12  # Linux leaves segments to a network card to cut, and shows them as one
pass        nagle.pkt
pass        old-ack.pkt
pass        open-simultaneous.pkt
pass        options-none.pkt
pass        options-sack.pkt
pass        options-timestamps.pkt
pass        out-of-order.pkt
pass        out-of-window.pkt
pass        overlap.pkt
pass        partial-ack.pkt
pass        paws.pkt
pass        piggyback.pkt
pass        pmtu-out-of-window.pkt
diverges    pmtu.pkt:16  # Linux leaves segments to a network card to cut, and shows them as one
pass        poll-accept.pkt
pass        poll-connect.pkt
pass        poll-reset.pkt
pass        poll-stream.pkt
pass        port-unreachable.pkt
pass        rack-loss.pkt
pass        rack-reordering.pkt
pass        refused-active.pkt
pass        refused-passive.pkt
diverges    reset-data.pkt:12  # Linux sets PSH at the end of what it can send, also if more waits: --allow psh
pass        reset-validation.pkt
pass        retries.pkt
pass        rto-after-syn-loss.pkt
pass        rto-backoff.pkt
pass        rto-restart.pkt
diverges    rto-window.pkt:19  # Linux's threshold is half of the congestion window, not of what is in flight
pass        rtt-estimate.pkt
pass        sack-blocks-timestamps.pkt
pass        sack-merge.pkt
pass        sequence-numbers.pkt
pass        shutdown-both.pkt
pass        shutdown-twice.pkt
pass        silly-window-sender.pkt
diverges    slow-start.pkt:12  # Linux sets PSH at the end of what it can send, also if more waits: --allow psh
diverges    syn-again.pkt:10  # Linux sends its SYN-ACK again for a SYN in SYN-RECEIVED
pass        syn-backoff.pkt
pass        syn-cookies-forged.pkt
pass        syn-cookies.pkt
pass        syn-in-established.pkt
pass        syn-received-bad-ack.pkt
pass        syn-received-rst.pkt
pass        syn-sent-bad-ack.pkt
pass        synack-backoff.pkt
pass        tail-loss-probe.pkt
pass        time-wait-end.pkt
diverges    time-wait-rst.pkt:17  # Linux lets a RST end TIME-WAIT (tcp_rfc1337=0), and then knows nothing of the connection
pass        time-wait-syn.pkt
pass        timestamp-echo.pkt
diverges    timestamp-everywhere.pkt:13  # Linux leaves segments to a network card to cut, and shows them as one
diverges    timestamp-missing.pkt:12  # Linux takes a segment without a timestamp
pass        timestamp-rst.pkt
pass        timestamp-rtt.pkt
pass        udp-boundaries.pkt
pass        udp-connected.pkt
pass        udp-empty.pkt
pass        udp-no-port.pkt
pass        udp-so-error.pkt
pass        udp-unconnected.pkt
pass        udp.pkt
pass        unacceptable-ack.pkt
pass        unknown-option.pkt
pass        urgent.pkt
pass        user-timeout.pkt
diverges    window-full.pkt:13  # Linux sets PSH at the end of what it can send, also if more waits: --allow psh
diverges    window-scaling-maximum.pkt:14  # Linux sets PSH at the end of what it can send, also if more waits: --allow psh
diverges    window-scaling-syn.pkt:10  # Linux sets PSH at the end of what it can send, also if more waits: --allow psh
diverges    window-scaling.pkt:14  # Linux sets PSH at the end of what it can send, also if more waits: --allow psh
diverges    window-shrink.pkt:13  # Linux sets PSH at the end of what it can send, also if more waits: --allow psh
diverges    window-stale.pkt:14  # Linux sets PSH at the end of what it can send, also if more waits: --allow psh
diverges    window-update.pkt:16  # Linux delays an ACK that would not move the window's right edge
diverges    zero-window-alive.pkt:16  # Linux probes a closed window without data
diverges    zero-window-probe.pkt:16  # Linux probes a closed window without data
