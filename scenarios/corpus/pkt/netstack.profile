# What is expected of each script: `fivetuple pkt --profile FILE` compares.
# netstack v0.0.0-20260905035102-160fafc42237
pass        abort.pkt
pass        ack-delay.pkt
pass        ack-every-second.pkt
pass        backlog.pkt
pass        challenge-ack-limit.pkt
pass        close-active.pkt
pass        close-passive.pkt
pass        close-simultaneous.pkt
pass        close-then-data.pkt
pass        close-unread.pkt
pass        close-wait-reset.pkt
pass        congestion-avoidance.pkt
pass        cork-nodelay.pkt
pass        default-mss.pkt
pass        dsack-received.pkt
diverges    dsack-sent.pkt:14  # netstack reads duplicate SACKs and never sends one
pass        duplicate-ack-not.pkt
pass        duplicate-segment.pkt
pass        epoll-edge.pkt
diverges    fast-retransmit-first.pkt:17  # netstack recovers only from an ACK past the initial sequence number by more than one (RFC 6582, 4.1)
pass        fast-retransmit-no-sack.pkt
pass        fast-retransmit.pkt
diverges    fin-out-of-order.pkt:16  # netstack forgets a FIN without data that arrives ahead of a hole
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
pass        idle-restart.pkt
pass        initial-window.pkt
pass        ipv6-echo.pkt
pass        ipv6-handshake.pkt
pass        ipv6-packet-too-big.pkt
pass        ipv6-port-unreachable.pkt
pass        karn.pkt
pass        keepalive-answered.pkt
pass        keepalive.pkt
diverges    limited-transmit.pkt:15  # netstack sends nothing on the first two duplicate ACKs
pass        listen-ack.pkt
pass        mss-not-in-syn.pkt
pass        mss-offered.pkt
pass        mss-too-large.pkt
pass        nagle.pkt
diverges    old-ack.pkt:13  # netstack takes data with an ACK of any age
diverges    open-simultaneous.pkt:11  # netstack does not take a SYN-ACK in SYN-RECEIVED as the end of the handshake
pass        options-none.pkt
pass        options-sack.pkt
pass        options-timestamps.pkt
pass        out-of-order.pkt
pass        out-of-window.pkt
pass        overlap.pkt
pass        partial-ack.pkt
diverges    paws.pkt:14  # netstack takes segments with old timestamps: it has no PAWS
pass        piggyback.pkt
diverges    pmtu-out-of-window.pkt:18  # netstack does not look at the sequence number that an ICMP message quotes
pass        pmtu.pkt
pass        poll-accept.pkt
pass        poll-connect.pkt
pass        poll-reset.pkt
pass        poll-stream.pkt
pass        port-unreachable.pkt
pass        rack-loss.pkt
pass        rack-reordering.pkt
pass        refused-active.pkt
pass        refused-passive.pkt
pass        reset-data.pkt
pass        reset-validation.pkt
pass        retries.pkt
diverges    rto-after-syn-loss.pkt:13  # netstack begins with 1 s whether or not a SYN was lost
pass        rto-backoff.pkt
pass        rto-restart.pkt
pass        rto-window.pkt
pass        rtt-estimate.pkt
pass        sack-blocks-timestamps.pkt
pass        sack-merge.pkt
pass        sequence-numbers.pkt
pass        shutdown-both.pkt
pass        shutdown-twice.pkt
diverges    silly-window-sender.pkt:16  # netstack fills any window at once, however small
pass        slow-start.pkt
pass        syn-again.pkt
pass        syn-backoff.pkt
pass        syn-cookies-forged.pkt
pass        syn-cookies.pkt
pass        syn-in-established.pkt
pass        syn-received-bad-ack.pkt
pass        syn-received-rst.pkt
diverges    syn-sent-bad-ack.pkt:12  # netstack sends its SYN again and again after the RST, at intervals that begin with microseconds
pass        synack-backoff.pkt
pass        tail-loss-probe.pkt
pass        time-wait-end.pkt
pass        time-wait-rst.pkt
pass        time-wait-syn.pkt
pass        timestamp-echo.pkt
pass        timestamp-everywhere.pkt
diverges    timestamp-missing.pkt:12  # netstack takes a segment without a timestamp
pass        timestamp-rst.pkt
pass        timestamp-rtt.pkt
pass        udp-boundaries.pkt
pass        udp-connected.pkt
pass        udp-empty.pkt
pass        udp-no-port.pkt
pass        udp-so-error.pkt
pass        udp-unconnected.pkt
pass        udp.pkt
diverges    unacceptable-ack.pkt:12  # netstack does not answer an ACK of unsent data, as older Linux did not
pass        unknown-option.pkt
pass        urgent.pkt
pass        user-timeout.pkt
pass        window-full.pkt
pass        window-scaling-maximum.pkt
pass        window-scaling-syn.pkt
pass        window-scaling.pkt
pass        window-shrink.pkt
pass        window-stale.pkt
pass        window-update.pkt
pass        zero-window-alive.pkt
pass        zero-window-probe.pkt
