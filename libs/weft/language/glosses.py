"""The words of other languages that questions on call are made of, each with what it says in English."""

import re
from collections.abc import Mapping

__all__ = ["SCRIPTS", "SPACED"]

_KANA = re.compile(r"[\u3040-\u30ff]")
_HAN = re.compile(r"[\u4e00-\u9fff]")


def _table(listed: str) -> Mapping[str, str]:
    """Return `phrase -> English` of lines `English: phrase, phrase`; nothing before the colon is mute."""
    table: dict[str, str] = {}
    for line in listed.strip().splitlines():
        english, _, phrases = line.partition(":")
        for phrase in phrases.split(","):
            table[" ".join(phrase.replace("'", " ").replace("-", " ").split())] = english.strip()
    return table


SPACED: Mapping[str, Mapping[str, str]] = {
    "German": _table("""
        what: was
        which: welche, welcher, welches, welchen
        who: wer
        where: wo
        when: wann
        since when: seit wann, ab wann
        since: seit
        before: vor, bevor
        after: nach
        why: warum, wieso, weshalb
        how: wie
        how many: wie viele, wieviele
        is: ist
        are: sind
        was: war, waren
        has: hat, haben, wurde, wurden
        there are: gibt es, existieren
        it: es
        the: der, die, das, den, dem, des
        this: dieser, diese, dieses
        a: ein, eine, einen, einer
        in: im
        of: von, vom
        with: mit
        and: und
        or: oder
        not: nicht
        no: kein, keine
        to: zu, zum, zur
        on: auf
        at: um
        for: für
        all: alle
        we: wir
        everything: alles
        : sich, bitte, mir, uns, so, denn, eigentlich, gerade, es denn, man, bei, dort, hier, zeigt
        show: zeig, zeige, zeigen, liste, gib
        errors: fehler, fehlern, fehlermeldungen, ausnahmen
        slow: langsam, langsamer, träge
        slowest: langsamste, langsamsten
        slower: langsamer als
        healthy: gesund, in ordnung, okay
        down: ausgefallen, kaputt, tot
        failing: fehlgeschlagen, fehlschlagen, scheitern, scheitert, schlagen fehl
        failed: fehlgeschlagene, gescheitert, gescheiterte
        requests: anfragen, aufrufe
        services: dienste, services, komponenten
        service: dienst
        changed: geändert, verändert, geändert worden, umgestellt
        changes: änderungen, änderung
        deployed: ausgerollt, deployt
        cause: ursache, grund, schuld, schuldige
        root cause: grundursache, hauptursache
        start: angefangen, begonnen, begann, begonnen hat, los
        did it start: fing es an, hat es angefangen, hat es begonnen
        summarize: fasse, zusammen, zusammenfassung, überblick, fass
        incident: vorfall, störung, ausfall, störungen
        is it over: ist es vorbei, ist das vorbei, ist es behoben, ist der vorfall vorbei, läuft es wieder
        recovered: vorbei, erholt, behoben
        affected: betroffen, betroffenen, betroffene
        calls: ruft
        depends on: hängt, abhängig, abhängigkeiten, hängen
        compare: vergleiche, vergleich, vergleichen
        how do i fix it: wie behebe ich das, wie beheben wir das, wie löse ich das
        fix: beheben
        bad: schlimm
        worst: schlimmste, schlimmsten, schlechteste
        timeline: zeitverlauf, chronologie, zeitleiste
        latency: latenz, antwortzeit, antwortzeiten
        error rate: fehlerrate, fehlerquote
        what is wrong: was ist los, was ist kaputt, was stimmt nicht
        what happened: was ist passiert, was geschah
        happened: passiert
        logs: protokolle
        yesterday: gestern
        today: heute
        restart: starte, neustarten, neu starten
        delete: lösche, löschen
        stop: stoppe, stoppen, beende
        roll back: rolle zurück, zurückrollen
    """),
    "Spanish": _table("""
        what: qué
        which: cuál, cuáles
        who: quién, quiénes
        where: dónde
        when: cuándo
        since when: desde cuándo, desde cuando
        since: desde
        before: antes, antes de
        after: después, después de
        why: por qué
        how: cómo
        how many: cuántos, cuántas
        is: está, es
        are: están, son
        was: estaba, fue
        has: ha, han
        there are: hay
        the: el, la, los, las
        this: este, esta, esto
        a: un, una
        in: en
        of: de, del
        with: con
        and: y
        or: o
        to: a, al
        for: para
        not: no
        all: todos, todas
        everything: todo
        : se, me, nos, lo, tan, por favor, que, por
        show: muestra, muéstrame, muestrame, lista, dame, enséñame
        errors: errores, fallos, excepciones
        slow: lento, lenta, lentos, lentas
        slowest: más lento, más lenta
        healthy: sano, sana, bien
        down: caído, caída
        failing: falla, fallan, fallando
        failed: fallaron, fallidas, fallidos, falló
        requests: peticiones, solicitudes
        services: servicios, componentes
        service: servicio
        changed: cambiado, cambió, cambiaron
        changes: cambios
        deployed: desplegado
        cause: causa, culpable, motivo
        root cause: causa raíz
        start: empezó, comenzó, empezado
        did it start: cuándo empezó
        summarize: resume, resumen, resumir
        incident: incidente, incidencia, caída del servicio
        is it over: ya terminó, se acabó, está resuelto, ya pasó
        recovered: terminado, resuelto, recuperado, se recuperó, ya se recuperó
        affected: afectado, afectada, afectados, afectadas
        calls: llama, llaman
        depends on: depende, dependen, dependencias
        compare: compara, comparar, comparación
        how do i fix it: cómo lo arreglo, cómo lo solucionamos, cómo se arregla
        fix: arreglar, solucionar
        worst: peor, peores
        timeline: cronología
        latency: latencia
        error rate: tasa de errores, tasa de error
        what happened: qué pasó, qué ha pasado
        what is wrong: qué pasa, qué está mal
        yesterday: ayer
        today: hoy
        restart: reinicia, reiniciar
        delete: borra, borrar, elimina, eliminar
        stop: detén, detener
    """),
    "French": _table("""
        what: quoi, quel est, quelle est
        what changed: qu est ce qui a changé, qu est ce qui a change
        what: qu est ce que, qu est ce qui
        which: quel, quels, quelle, quelles
        who: qui
        where: où
        when: quand
        since when: depuis quand
        since: depuis
        before: avant
        after: après
        why: pourquoi
        how: comment
        how many: combien de, combien d, combien
        is: est, est ce que
        are: sont
        was: était
        has: a, ont
        there are: y a t il, il y a, existent
        it: il, elle, ce, c
        the: le, la, les, l
        this: cette, ces, ceci
        a: un, une
        in: dans, en
        of: de, du, des, d
        with: avec
        and: et
        or: ou
        to: à, au, aux
        for: pour
        not: pas
        all: tous, toutes
        everything: tout
        : se, s, si, moi, nous, s il vous plaît, svp, on, ne, n, que, qu
        show: montre, montrez, montre moi, affiche, liste, donne
        errors: erreurs, erreur, pannes
        slow: lent, lente, lents, lentes
        slowest: le plus lent, la plus lente
        healthy: sain, saine, en bonne santé
        down: en panne, tombé
        failing: échoue, échouent
        failed: échoué, échouées
        requests: requêtes
        services: services, composants
        service: service
        changed: changé, modifié
        changes: changements, modifications
        deployed: déployé
        cause: cause, raison, coupable
        root cause: cause première, cause racine
        start: commencé, débuté
        did it start: ça a commencé
        summarize: résume, résumé, résumer, résumez
        incident: incident, l incident, panne
        is it over: est ce fini, c est fini, est ce terminé, c est résolu, est ce résolu
        recovered: terminé, résolu, rétabli
        affected: touché, touchés, touchée, touchées, affectés, impactés
        calls: appelle, appellent
        depends on: dépend, dépendent, dépendances
        compare: compare, comparer, comparez
        how do i fix it: comment réparer, comment corriger, comment résoudre
        fix: réparer, corriger
        worst: pire, pires
        timeline: chronologie
        latency: latence
        error rate: taux d erreur, taux d erreurs
        what happened: que s est il passé, qu est ce qui s est passé
        what is wrong: qu est ce qui ne va pas, que se passe t il
        yesterday: hier
        today: aujourd hui
        restart: redémarre, redémarrer, redémarrez
        delete: supprime, supprimer, supprimez
        stop: arrête, arrêter, arrêtez
    """),
    "Portuguese": _table("""
        what: o que, que
        which: qual, quais
        who: quem
        where: onde
        when: quando
        since when: desde quando
        since: desde
        before: antes
        after: depois
        why: por que, porque
        how: como
        how many: quantos, quantas
        is: está, é
        are: estão, são
        was: estava, foi
        there are: há, existem
        the: o, os, as
        this: este, esta, isso
        a: um, uma
        in: em, no, na, nos, nas
        of: de, do, da, dos, das
        with: com
        and: e
        or: ou
        not: não
        all: todos, todas
        everything: tudo
        : me, se, por favor
        show: mostre, mostra, liste, lista
        errors: erros, falhas
        slow: lento, lenta, lentos
        slowest: mais lento, mais lenta
        healthy: saudável
        down: caiu, fora do ar
        failing: falhando, falha
        failed: falharam, falhou
        requests: requisições, pedidos
        services: serviços, componentes
        service: serviço
        changed: mudou, mudado, alterado
        changes: mudanças, alterações
        deployed: implantado
        cause: causa, culpado
        root cause: causa raiz
        start: começou, iniciou
        summarize: resuma, resumo
        incident: incidente
        is it over: já acabou, acabou, está resolvido
        recovered: resolvido, recuperado
        affected: afetado, afetados, afetadas
        calls: chama, chamam
        depends on: depende, dependem, dependências
        compare: compare, comparar
        worst: pior, piores
        latency: latência
        what happened: o que aconteceu
        yesterday: ontem
        today: hoje
        restart: reinicie, reiniciar
        delete: apague, apagar, exclua
    """),
    "Italian": _table("""
        what: cosa, che cosa, che
        which: quale, quali
        who: chi
        where: dove
        when: quando
        since when: da quando
        since: da
        before: prima
        after: dopo
        why: perché
        how: come
        how many: quanti, quante
        is: è
        are: sono
        was: era
        has: ha, hanno
        there are: ci sono
        the: il, lo, la, i, gli, le, l
        this: questo, questa
        a: un, una, uno
        in: nel, nella, nei
        of: di, del, della, dei, delle
        with: con
        and: e
        or: o
        not: non
        all: tutti, tutte
        everything: tutto
        : si, mi, per favore, così
        show: mostra, mostrami, elenca, dammi
        errors: errori
        slow: lento, lenta, lenti, lente
        slowest: più lento, più lenta
        healthy: sano, sana
        down: giù, fermo
        failing: fallisce, falliscono
        failed: fallite, falliti, fallita
        requests: richieste
        services: servizi, componenti
        service: servizio
        changed: cambiato, cambiata, modificato
        changes: cambiamenti, modifiche
        cause: causa, colpevole
        root cause: causa principale
        start: iniziato, cominciato
        summarize: riassumi, riassunto
        incident: incidente
        is it over: è finito, è finita, è risolto
        recovered: finito, risolto
        affected: colpito, colpiti, interessati
        calls: chiama, chiamano
        depends on: dipende, dipendono, dipendenze
        compare: confronta, confronto
        worst: peggiore, peggio
        latency: latenza
        what happened: cosa è successo
        yesterday: ieri
        today: oggi
        restart: riavvia, riavviare
        delete: elimina, cancella
    """),
}
"""Languages that put spaces between words."""

SCRIPTS: Mapping[str, tuple[re.Pattern[str], Mapping[str, str]]] = {
    "Japanese": (
        _KANA,
        {
            "いつから": "since when", "サービス": "services", "影響を受け": "affected", "比較": "compare",
            "タイムライン": "timeline", "レイテンシ": "latency", "エラー": "errors", "なぜ": "why",
            "どうして": "why", "遅い": "slow", "遅く": "slow", "失敗": "failed", "変わ": "changed",
            "変更": "changed", "原因": "cause", "要約": "summarize", "概要": "summarize",
            "直す": "fix", "復旧": "recovered", "終わ": "recovered", "何が": "what", "いつ": "when",
            "どの": "which", "見せて": "show", "正常": "healthy", "再起動": "restart", "削除": "delete",
        },
    ),
    "Chinese": (
        _HAN,
        {
            "什么时候开始": "when did it start", "从什么时候": "since when", "有哪些服务": "which services are there",
            "怎么解决": "how do i fix it", "怎么修": "how do i fix it", "为什么": "why", "多少": "how many",
            "根本原因": "root cause", "错误率": "error rate", "时间线": "timeline", "发生了什么": "what happened",
            "什么": "what", "哪些": "which", "哪个": "which", "服务": "services", "依赖": "depends on",
            "调用": "calls", "错误": "errors", "异常": "errors", "报错": "errors", "失败": "failed",
            "请求": "requests", "显示": "show", "列出": "show", "变化": "changed", "变更": "changed",
            "改变": "changed", "原因": "cause", "总结": "summarize", "概述": "summarize", "影响": "affected",
            "比较": "compare", "延迟": "latency", "最慢": "slowest", "慢": "slow", "正常": "healthy",
            "健康": "healthy", "恢复": "recovered", "结束": "recovered", "开始": "start", "重启": "restart",
            "删除": "delete",
        },
    ),
}  # fmt: skip
"""Those that do not: the letters that tell the language, and its words, longer ones before their parts."""
